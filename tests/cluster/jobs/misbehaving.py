"""A function that raises, ends its process or never returns at one row. Run: misbehaving.py JOB.pkl '{"how": "raise"}'."""

import json
import os
import pickle
import sys
import threading

from headrace import (
    BlackholeSink,
    GeneratorSource,
    RestartStrategy,
    StreamExecutionEnvironment,
)


def misbehave(how, row):
    if row == 500:
        if how == "raise":
            raise ValueError(f"row {row} is the bad one")  # the bad line
        if how == "crash":
            os.kill(os.getpid(), 11)
        if how == "hang":
            threading.Event().wait()
    return row


def build(how, restarts="none"):
    env = StreamExecutionEnvironment(f"Misbehaving {how}")
    if restarts == "none":
        env.set_restart_strategy(RestartStrategy.none())
    if restarts == "twice":
        env.set_restart_strategy(RestartStrategy.fixed_delay(2, 10))
    rows = env.add_source(GeneratorSource(rows_per_second=1000))
    rows.map(lambda row: misbehave(how, row)).name("the bad map").add_sink(BlackholeSink())
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
