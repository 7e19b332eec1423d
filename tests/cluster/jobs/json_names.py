"""JSON records to their names. Run: json_names.py JOB.pkl '{…, "on_error": "skip"}'."""

import json
import pickle
import sys

from headrace import KafkaSink, KafkaSource, RestartStrategy, StreamExecutionEnvironment


def build(source, sink, on_error, bounded=True):
    env = StreamExecutionEnvironment("JsonNames")
    env.set_restart_strategy(RestartStrategy.none())
    rows = env.add_source(
        KafkaSource(topic=source, value_format="json", on_error=on_error, stop_at="latest" if bounded else None)
    )
    rows.map(lambda record: record["name"]).add_sink(KafkaSink(topic=sink))
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
