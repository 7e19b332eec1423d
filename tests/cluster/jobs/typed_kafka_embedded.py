"""Runs embedded: hot auctions of typed bids out of Kafka, in any format, into Kafka. Parameters as JSON in argv[1]."""

from __future__ import annotations

import json
import sys

from headrace import KafkaSink, KafkaSource, SlidingWindow, StreamExecutionEnvironment, WatermarkStrategies, count, dead_letter

p = json.loads(sys.argv[1])
env = StreamExecutionEnvironment("hot-auctions").set_parallelism(p["parallelism"])
source = KafkaSource(
    p["source"],
    stop_at="latest",
    value_format=p.get("value_format", "json"),
    row_type={"auction": "int64", "bidder": "int64", "price": "int64", "channel": "text | None", "date_time": "timestamp[ms]"},
    schema_registry=p.get("schema_registry"),
    schema_registry_auth=p.get("schema_registry_auth"),
    on_error=dead_letter(p["dead_letters"]),
)
bids = env.add_source(source).with_watermarks(WatermarkStrategies.bounded_out_of_orderness(600_000).with_timestamp("date_time"))
counts = bids.group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
counts.top(1, by="num", ties=True).add_sink(KafkaSink(p["sink"], key="auction", timestamps="ms"))
env.execute()
