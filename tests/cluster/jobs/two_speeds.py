"""Two endless sources, one far ahead of the other in event time unless they are aligned. Run: two_speeds.py JOB.pkl '{"max_drift_ms": 60000}'."""

import json
import pickle
import sys

from headrace import BlackholeSink, NexmarkSource, StreamExecutionEnvironment, TumblingWindow, WatermarkStrategies, count


def build(max_drift_ms, parallelism=2):
    env = StreamExecutionEnvironment("TwoSpeeds")
    env.set_parallelism(parallelism)
    for name, events_per_second in (("fast", 1_000), ("slow", 100_000)):
        times = WatermarkStrategies.monotonous()
        if max_drift_ms:
            times = times.with_alignment("speeds", max_drift_ms)
        rows = env.add_source(NexmarkSource("bid", events_per_second=events_per_second, columns=["auction"])).name(name)
        counts = (
            rows.with_watermarks(times).name(f"{name} times").group_by("auction").window(TumblingWindow(10_000)).agg(n=count())
        )
        counts.name(f"{name} counts").add_sink(BlackholeSink()).name(f"{name} sink")
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
