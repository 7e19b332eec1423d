"""q5 as users run it, generator and all, at different parallelisms on all cores: wall time, less that of the same job without events."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from suites.programs import Row, ratio

_JOB = """
import sys
from headrace import *
env = StreamExecutionEnvironment("scaling")
env.set_parallelism(int(sys.argv[1]))
bids = env.add_source(NexmarkSource("bid", events=int(sys.argv[2]), columns=["auction"], events_per_second=int(sys.argv[3])))
counts = bids.with_watermarks(WatermarkStrategies.monotonous()).group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
counts.add_sink(BlackholeSink())
env.execute()
"""


def _seconds(job: Path, folder: str, parallelism: int, events: int, density: int) -> float:
    environment = dict(os.environ, HEADRACE_DATA_DIR=f"{folder}/data-{parallelism}")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, str(job), str(parallelism), str(events), str(density)],
        check=True,
        env=environment,
        capture_output=True,
        timeout=600,
    )
    return time.perf_counter() - start


def run(options: argparse.Namespace) -> list[Row]:
    cores, events = os.cpu_count() or 1, options.events * 12
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="headrace-bench-scaling-") as folder:
        job = Path(folder) / "job.py"
        job.write_text(_JOB)

        def rate(parallelism: int, density: int) -> float:
            start = min(
                _seconds(job, folder, parallelism, 50, density) for _ in range(3)
            )  # one slow start would be a rate without end
            return events / max(_seconds(job, folder, parallelism, events, density) - start, 1e-3) / 1e6

        many = f"parallelism 128 against {cores}"
        for case, ours, limit, density, gate, aim in (
            (f"parallelism {cores} against 1", cores, 1, 10_000, f">= {1.7 * cores / 2:.2g}", f">= {1.9 * cores / 2:.2g}"),
            (many, 128, cores, 10_000, ">= 0.7", ">= 0.95"),
            (f"{many}, 100 K events/s of event time", 128, cores, 100_000, None, None),
            (f"{many}, 1 M events/s of event time", 128, cores, 1_000_000, None, None),
        ):
            values, limits = [], []
            for _ in range(max(3, options.pairs // 2)):
                values.append(rate(ours, density))
                limits.append(rate(limit, density))
            row: Row = {
                "case": case,
                "metric": "events/s",
                "value": round(median(values), 2),
                "unit": "M/s",
                "limit": round(median(limits), 2),
            }
            row |= {"ratio_to_limit": round(ratio(values, limits), 3), "pairs": len(values), "min": round(min(values), 2)}
            rows.append(row | {"max": round(max(values), 2), "gate": gate, "aim": aim})
    return rows
