"""Runs embedded: typed rows with what else a Kafka record holds, into Kafka as JSON. Parameters as JSON in argv[1]."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from headrace import (
    KafkaSink,
    KafkaSource,
    StreamExecutionEnvironment,
    TumblingWindow,
    WatermarkStrategies,
    col,
    count,
    dead_letter,
)

p = json.loads(sys.argv[1])
env = StreamExecutionEnvironment("metadata").set_parallelism(p["parallelism"])


@dataclass
class Reading:
    place: str | None
    v: int
    at: int


rows = env.add_source(
    KafkaSource(
        p["source"],
        stop_at="latest",
        row_type=Reading,
        metadata={"place": "key", "at": "offset"},
        on_error=dead_letter(p["dead_letters"]),
    ),
    name="readings",
)
rows.add_sink(KafkaSink(p["declared"]))
every = ["topic", "partition", "offset", "timestamp", "key", "headers"]
added = env.add_source(
    KafkaSource(p["source"], stop_at="latest", row_type={"v": "int64"}, metadata=every, on_error="skip"), name="all of it"
)
added.add_sink(KafkaSink(p["added"], timestamps="ms"))
# Nothing of the value is read.
only = KafkaSource(p["source"], stop_at="latest", row_type={"v": "int64"}, metadata={"_p": "partition"}, on_error="skip")
times = WatermarkStrategies.bounded_out_of_orderness(600_000)
counts = env.add_source(only, name="partitions").with_watermarks(times)
counts = counts.filter(col("_p") >= 0).group_by("_p").window(TumblingWindow(10**9)).agg(n=count())
counts.add_sink(KafkaSink(p["counts"]))
env.execute()
