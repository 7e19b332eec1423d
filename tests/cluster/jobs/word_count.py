"""Word count from a topic to a topic. Run: word_count.py JOB.pkl '{"source": …, "sink": …, "parallelism": …, "bounded": …}'."""

import json
import pickle
import sys

from headrace import KafkaSink, KafkaSource, StreamExecutionEnvironment


def build(source, sink, parallelism, bounded=True):
    env = StreamExecutionEnvironment("WordCount")
    env.set_parallelism(parallelism)
    lines = env.add_source(KafkaSource(topic=source, group_id=f"wc-{sink}", stop_at="latest" if bounded else None))
    counts = lines.flat_map(str.split).map(lambda w: (w, 1)).key_by(lambda t: t[0]).reduce(lambda a, b: (a[0], a[1] + b[1]))
    counts.add_sink(KafkaSink(topic=sink))
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
