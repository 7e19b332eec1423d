"""How long behind the end of its window a result arrives, with rows on a schedule of their own; see programs/latency_bench.cc."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from headrace import SlidingWindow, StreamExecutionEnvironment, count

from suites.programs import Row, find_program


def _windowed(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    from nexmark.jobs import _table

    return _table(env, "bid", events, rate).group_by("auction").window(SlidingWindow(1_000, 10)).agg(num=count())


def _null(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    from nexmark.jobs import _table

    return _table(env, "bid", events, rate).select("price")


def measure(seconds: float, rate: float | None = None) -> list[dict[str, Any]]:
    """What bench_latency prints; with a rate the windows alone, at that rate."""
    from nexmark.jobs import job_file

    with tempfile.TemporaryDirectory(prefix="headrace-bench-latency-") as folder:
        files = []
        for name, job in (("windowed", _windowed), ("null", _null)):
            files.append(Path(folder) / f"{name}.pkl")
            files[-1].write_bytes(job_file(job, 1, 10_000))
        command = [str(find_program("latency")), *map(str, files), "--seconds", str(seconds)]
        command += [] if rate is None else ["--rate", str(rate)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for found in measure(options.seconds):
        case = f"{found['case']}, {found['rate'] / 1e6:.2f} M rows/s"
        if "p50" not in found:
            rows.append({"case": found["case"], "metric": "rows/s", "value": round(found["rate"] / 1e6, 2), "unit": "M/s"})
            continue
        for metric in ("p50", "p99", "p999", "p9999"):
            row: Row = {"case": case, "metric": metric, "value": round(found[metric], 3), "unit": "ms", "pairs": 1}
            if metric == "p99" and found["case"] == "windows at 50 %":
                row["aim"] = "<= 5"
            rows.append(row)
    return rows
