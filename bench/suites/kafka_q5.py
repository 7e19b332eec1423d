"""Kafka JSON -> q5 -> Kafka at parallelism 1 with the broker's data on tmpfs: beside Flink, and beside what consuming and decoding cost
alone, one behind the other. CPU seconds of the TaskManagers' process trees; the broker's own work is in none of them."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from suites.flink import Ours, peer_row
from suites.programs import Program, Row, ratio

_EVENTS = 3_260_872  # 3,000,000 bids
_FILLER = "0123456789" * 5  # to the 292 bytes that such records have elsewhere
_COLUMNS = {
    "auction": "int64",
    "bidder": "int64",
    "price": "int64",
    "channel": "text",
    "url": "text",
    "date_time": "timestamp[ms]",
    "extra": "text",
}


def _fill_job(topic: str) -> bytes:
    from headrace import KafkaSink, NexmarkSource, StreamExecutionEnvironment, col, concat, lit

    env = StreamExecutionEnvironment("fill")
    others = [name for name in _COLUMNS if name != "extra"]
    bids = env.add_source(NexmarkSource("bid", events=_EVENTS)).select(*others, extra=concat(col("extra"), lit(_FILLER)))
    bids.add_sink(KafkaSink(topic, timestamps="ms"))
    return pickle.dumps(env.get_job_graph())


def _q5_job(source: str, sink: str) -> bytes:
    from headrace import KafkaSink, KafkaSource, SlidingWindow, StreamExecutionEnvironment, WatermarkStrategies, count

    env = StreamExecutionEnvironment("kafka q5")
    bids = env.add_source(KafkaSource(source, stop_at="latest", row_type=_COLUMNS))
    timed = bids.with_watermarks(WatermarkStrategies.bounded_out_of_orderness(4_000).with_timestamp("date_time"))
    counts = timed.group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
    counts.top(1, by="num", ties=True).select("auction", "num", "window_end").add_sink(KafkaSink(sink, timestamps="ms"))
    return pickle.dumps(env.get_job_graph())


def _results(broker: Any, topic: str) -> list[tuple[int, int, int]]:
    def ms(value: int | str) -> int:
        if isinstance(value, int):
            return value
        return int(datetime.fromisoformat(value).replace(tzinfo=timezone.utc).timestamp() * 1000)

    rows = (json.loads(value) for _, value in broker.read(topic))
    return sorted((row["auction"], row["num"], ms(row["window_end"])) for row in rows)


def run(options: argparse.Namespace) -> list[Row]:
    from harness.kafka import Broker

    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-kafka-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    broker = Broker(folder / "broker")
    (folder / "broker").mkdir()
    try:
        broker.start()
        try:
            return _run(options, folder, broker)
        finally:
            broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, folder: Path, broker: Any) -> list[Row]:
    from peers.flink.cluster import FlinkCluster
    from peers.flink.install import install

    flink = install()
    bids = broker.topic("bids", partitions=1)
    with Ours(folder / "ours", broker.address) as ours:
        ours.run(_fill_job(bids))
        records = broker.count(bids)
        size = sum(len(value or b"") for _, (_, value) in zip(range(1000), broker.read(bids), strict=False)) / 1000
        print(f"  {records} records of {size:.0f} bytes", flush=True)
        rates: dict[str, list[float]] = {"ours": [], "flink": [], "series": []}
        equal = True
        with (
            FlinkCluster(flink, folder / "flink") as cluster,
            Program("kafka_json_limits", broker.address, bids) as limits,
        ):
            limits.ask("consume")
            for pair in range(max(1, options.pairs // 2) + 1):  # the first warms the broker and Flink's JVM up
                outs = [broker.topic("answer", partitions=1) for _ in range(2)]
                _, cpu = ours.run(_q5_job(bids, outs[0]))
                theirs = cluster.run("kafka_q5", topic=bids, out=outs[1], broker=broker.address).cpu_seconds
                parts = [limits.ask(part) for part in ("consume", "decode")]
                equal = equal and _results(broker, outs[0]) == _results(broker, outs[1])
                if pair == 0:
                    continue
                rates["ours"].append(records / cpu / 1e6)
                rates["flink"].append(records / theirs / 1e6)
                rates["series"].append(1 / sum(part["seconds"] / part["records"] for part in parts) / 1e6)
                print(
                    f"  {', '.join(f'{name} {values[-1]:.3f}' for name, values in rates.items())} M records a CPU second",
                    flush=True,
                )
    if not equal:
        print("bench: kafka_q5 is void, the results differ", file=sys.stderr)
    row = peer_row(f"{records / 1e6:g} M records of {size:.0f} bytes", "records/cpu-s", rates["ours"], rates["flink"], 5, 8)
    row |= {"digest_ok": equal, "limit": round(median(rates["series"]), 3)}
    row |= {"ratio_to_limit": round(ratio(rates["ours"], rates["series"]), 3), "settings": cluster.settings}
    row |= {"gate": ">= 5x Flink, >= 0.45 of consume and decode", "aim": ">= 8x, >= 0.8"}
    return [row]
