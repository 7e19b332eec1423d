"""Rows of a topic as they are, its partitions aligned with each other. Run: aligned_partitions.py JOB.pkl '{"source": …, "sink": …, "max_drift_ms": …, "custom": false}'."""

import json
import pickle
import sys

from headrace import KafkaSink, KafkaSource, StreamExecutionEnvironment, WatermarkGenerator, WatermarkStrategies


class Newest(WatermarkGenerator):
    """What monotonous() says, of each partition."""

    def on_batch(self, timestamps):
        import pyarrow.compute as pc

        return pc.max(timestamps).as_py() - 1


def build(source, sink, max_drift_ms, custom):
    env = StreamExecutionEnvironment("AlignedPartitions")
    env.set_parallelism(1)
    times = WatermarkStrategies.custom(Newest()) if custom else WatermarkStrategies.monotonous()
    times = times.with_timestamp("t").with_alignment("partitions", max_drift_ms)
    rows = env.add_source(KafkaSource(source, row_type={"name": str, "n": int, "t": int}, value_format="json")).name("rows")
    rows.with_watermarks(times).add_sink(KafkaSink(sink))
    return env


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as f:
        pickle.dump(build(**json.loads(sys.argv[2])).get_job_graph(), f)
