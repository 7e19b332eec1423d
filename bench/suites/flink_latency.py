"""Windowed latency beside Flink's default (watermarks every 200 ms, buffers flushed after 100 ms): windows of 1 s that slide by 10 ms over
10,000 keys, rows on a schedule fixed beforehand, each engine at half of its own greatest rate, and headrace at Flink's rate too. Both
count from the end of a window on the schedule to the arrival of its result (programs/latency_bench.cc, Latency.java)."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from suites.programs import Row

_KEYS = 10_000
_PERCENTILES = ("p50", "p99", "p999", "p9999")


def _greatest_rate(flink: Any) -> float:
    """The rate at which rows of its own density are processed; the first rounds warm the JVM up."""
    rate = 5_000.0
    for _ in range(5):
        rows = int(rate * 6)
        rate = rows / flink.latency(rate, rows, _KEYS, paced=False)["seconds"]
    return rate


def _rows(case: str, rate: float, found: dict[str, list[float]]) -> list[Row]:
    name = f"{case}, {rate / 1e3:.1f} K rows/s"
    rows = []
    for metric in _PERCENTILES:
        values = found[metric]
        row: Row = {"case": name, "metric": metric, "value": round(median(values), 3), "unit": "ms", "pairs": len(values)}
        rows.append(row | {"min": round(min(values), 3), "max": round(max(values), 3)})
    return rows


def run(options: argparse.Namespace) -> list[Row]:
    from peers.flink.cluster import FlinkCluster
    from peers.flink.install import install

    from suites.latency import measure

    runs = max(1, options.pairs // 2)
    theirs: dict[str, list[float]] = {metric: [] for metric in _PERCENTILES}
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-flink-") as folder,
        FlinkCluster(install(), Path(folder) / "flink") as flink,
    ):
        greatest = _greatest_rate(flink)
        print(f"  Flink's greatest rate: {greatest / 1e3:.1f} K rows/s", flush=True)
        cases: dict[str, dict[str, list[float]]] = {}
        rates: dict[str, float] = {}
        for _ in range(runs):
            one = flink.latency(greatest / 2, int(greatest / 2 * options.seconds), _KEYS, paced=True)
            for metric in _PERCENTILES:
                theirs[metric].append(one[metric])
            for fixed in (None, greatest / 2):
                for found in measure(options.seconds, fixed):
                    if not found["case"].startswith("windows at 50 %") and found["case"] != "windows":
                        continue
                    case = "headrace at 50 % load" if fixed is None else "headrace at Flink's rate"
                    rates[case] = found["rate"]
                    for metric in _PERCENTILES:
                        cases.setdefault(case, {m: [] for m in _PERCENTILES})[metric].append(found[metric])
    rows = _rows("Flink at 50 % load", greatest / 2, theirs)
    for case, found in cases.items():
        ours = _rows(case, rates[case], found)
        for row, metric in zip(ours, _PERCENTILES, strict=True):
            row |= {"peer": "Flink", "peer_value": round(median(theirs[metric]), 1)}
            row |= {"ratio_to_peer": round(median(found[metric]) / median(theirs[metric]), 4)}
            if metric == "p99":
                row["gate"] = "<= 0.1"
        rows += ours
    return rows
