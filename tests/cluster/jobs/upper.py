"""Topic to topic, one function between. Run: upper.py JOB.pkl '{…}'."""

import json
import pickle
import sys

from headrace import KafkaSink, KafkaSource, StreamExecutionEnvironment


def build(source, sink, parallelism=2, bounded=False, brokers=None):
    env = StreamExecutionEnvironment("Upper")
    env.set_parallelism(parallelism)
    rows = env.add_source(
        KafkaSource(topic=source, bootstrap_servers=brokers, group_id=f"upper-{sink}", stop_at="latest" if bounded else None)
    )
    rows.map(str.upper).add_sink(KafkaSink(topic=sink, bootstrap_servers=brokers))
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
