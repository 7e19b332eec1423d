"""Visits of users by a native process function, as JSON records. Run: native_visits.py JOB.pkl '{"rows": […], "sink": …}'."""

import json
import pickle
import sys

from headrace import KafkaSink, RestartStrategy, StreamExecutionEnvironment, WatermarkStrategies, native


def build(rows, sink, parallelism=2):
    env = StreamExecutionEnvironment("NativeVisits").set_parallelism(parallelism).set_restart_strategy(RestartStrategy.none())
    clicks = env.from_collection(rows, {"user": int, "page": str, "t": "timestamp[ms]"})
    clicks = clicks.with_watermarks(WatermarkStrategies.monotonous().with_timestamp("t"))
    returns = {"user": int, "clicks": int, "length_ms": int, "most_seen": str}
    visits = clicks.group_by("user").process(native("sessions", "visits", gap_ms=10), returns=returns)
    visits.add_sink(KafkaSink(topic=sink, value_format="json"))
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
