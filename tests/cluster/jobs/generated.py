"""A generator into nothing through one keyed reduce: needs no broker. Run: generated.py JOB.pkl '{…}'."""

import json
import pickle
import sys

from headrace import BlackholeSink, GeneratorSource, StreamExecutionEnvironment


def build(parallelism=2, rows_per_second=2000, count=0):
    env = StreamExecutionEnvironment("Generated")
    env.set_parallelism(parallelism)
    rows = env.add_source(GeneratorSource(count=count, rows_per_second=rows_per_second))
    rows.map(lambda n: (n % 7, n)).key_by(lambda t: t[0]).reduce(lambda a, b: b).add_sink(BlackholeSink())
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
