"""Runs the benchmarks of ./dev bench and prints each result beside its limit, measured in the same run.

Usage: run.py [NAME...] [OPTIONS]; names: see BENCHMARKS. Each benchmark writes bench/results/NAME.json. Absolute figures of a shared
machine prove little: read the ratios, which are medians over alternating pairs.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
BINARY = BUILD / "headrace"
PYTHON = ROOT / ".venv" / "bin" / "python"
Row = dict[str, Any]


def nexmark(options: argparse.Namespace) -> list[Row]:
    from suites import nexmark as suite

    return suite.run(options)


def slide_sweep(options: argparse.Namespace) -> list[Row]:
    from suites import sweeps

    return sweeps.slide_sweep(options)


def state_memory(options: argparse.Namespace) -> list[Row]:
    from suites import sweeps

    return sweeps.state_memory(options)


def fused_operators(options: argparse.Namespace) -> list[Row]:
    from suites import sweeps

    return sweeps.fused_operators(options)


def window_latency(options: argparse.Namespace) -> list[Row]:
    from suites import latency

    return latency.run(options)


def scaling(options: argparse.Namespace) -> list[Row]:
    from suites import scaling as suite

    return suite.run(options)


def flink(options: argparse.Namespace) -> list[Row]:
    from suites import flink as suite

    return suite.run(options)


def flink_latency(options: argparse.Namespace) -> list[Row]:
    from suites import flink_latency as suite

    return suite.run(options)


def kafka_q5(options: argparse.Namespace) -> list[Row]:
    from suites import kafka_q5 as suite

    return suite.run(options)


def program_rows(name: str, *arguments: str) -> list[Row]:
    """Rows that the program bench_NAME prints, one JSON object a line; its talk goes to the terminal."""
    program = BUILD / "bench" / f"bench_{name}"
    if not program.exists():
        program = BUILD / "bench" / "micro" / f"bench_{name}"
    done = subprocess.run([str(program), *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def exchange() -> list[Row]:
    return program_rows("exchange")


def python_stage() -> list[Row]:
    return program_rows("python_stage", str(PYTHON))


def python_worker() -> list[Row]:
    """The worker process alone, without the engine around it."""
    command = [str(PYTHON), str(ROOT / "bench" / "python_worker_bench.py"), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


def kafka_passthrough() -> list[Row]:
    """A real broker with its data on tmpfs, so that the disk is not what is measured."""
    from harness.kafka import Broker

    folder = tempfile.mkdtemp(prefix="headrace-bench-kafka-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        broker = Broker(Path(folder))
        broker.start()
        try:
            return program_rows("kafka_passthrough", broker.address)
        finally:
            broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def embedded_start() -> list[Row]:
    """`python job.py` to the first printed row, beside a bare interpreter that imports nothing."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-start-") as folder:
        job = Path(folder) / "job.py"
        job.write_text(
            "from headrace import StreamExecutionEnvironment\n"
            "env = StreamExecutionEnvironment('Start')\n"
            "env.from_collection(['a b']).flat_map(str.split).map(lambda w: (w, 1)).print()\n"
            "env.execute()\n"
        )
        environment = dict(os.environ, HEADRACE_DATA_DIR=str(Path(folder) / "data"))

        def first_line(command: list[str]) -> float:
            start = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
            assert child.stdout is not None
            line = child.stdout.readline()
            took = (time.perf_counter() - start) * 1000
            child.communicate(timeout=60)
            if not line or child.returncode != 0:
                raise SystemExit(f"bench: {' '.join(command)} printed nothing or failed ({child.returncode})")
            return took

        ours, bare = [], []
        for pair in range(8):
            a = first_line([str(PYTHON), str(job)])
            b = first_line([str(PYTHON), "-c", "print(1)"])
            if pair:  # the first pair warms the page cache
                ours.append(a)
                bare.append(b)
    return [
        row(
            "embedded_start",
            "collection to print",
            "start to first output",
            ours,
            "ms",
            median(bare),
            median(ours) / median(bare),
            aim="<= 500 ms",
        )
    ]


def idle_taskmanager() -> list[Row]:
    """Resident memory and CPU share of a registered TaskManager without jobs, over 20 s; limit: an empty process with the same libraries."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-idle-") as folder:
        from harness.cluster import Cluster

        cluster = Cluster(Path(folder), None, "127.0.0.1:1")
        try:
            cluster.start(task_managers=1)
            pid = cluster.task_managers["tm1"].pid
            time.sleep(3)  # the measured span starts after registration has settled
            before, start = cpu_seconds(pid), time.monotonic()
            memory = []
            while time.monotonic() - start < 20:
                memory.append(resident_mb(pid))
                time.sleep(1)
            share = (cpu_seconds(pid) - before) / (time.monotonic() - start) * 100
        finally:
            cluster.stop()
        floor = subprocess.run([str(BINARY), "version", "--resident"], capture_output=True, text=True, check=False).stdout.strip()
        limit = float(floor) if floor.replace(".", "", 1).isdigit() else None
    return [
        row(
            "idle_taskmanager",
            "registered, no job",
            "resident memory",
            memory,
            "MB",
            limit,
            median(memory) / limit if limit else None,
            aim="<= 60 MB",
        ),
        row("idle_taskmanager", "registered, no job", "cpu", [share], "%", None, None, aim="<= 0.5 %"),
    ]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def row(
    benchmark: str, case: str, metric: str, values: list[float], unit: str, limit: float | None, ratio: float | None, aim: str
) -> Row:
    return {
        "benchmark": benchmark,
        "case": case,
        "metric": metric,
        "value": round(median(values), 3),
        "unit": unit,
        "limit": limit,
        "ratio_to_limit": ratio,
        "pairs": len(values),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "aim": aim,
    }


def without_options(benchmark: Callable[[], list[Row]]) -> Callable[[argparse.Namespace], list[Row]]:
    return lambda options: benchmark()


BENCHMARKS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "nexmark": nexmark,
    "slide_sweep": slide_sweep,
    "state_memory": state_memory,
    "fused_operators": fused_operators,
    "scaling": scaling,
    "window_latency": window_latency,
    "flink": flink,
    "flink_latency": flink_latency,
    "kafka_q5": kafka_q5,
    "kafka_passthrough": without_options(kafka_passthrough),
    "exchange": without_options(exchange),
    "json_decode": without_options(lambda: program_rows("json_decode")),
    "python_stage": without_options(python_stage),
    "python_worker": without_options(python_worker),
    "embedded_start": without_options(embedded_start),
    "idle_taskmanager": without_options(idle_taskmanager),
}


def show(rows: list[Row]) -> None:
    columns = [
        "case",
        "metric",
        "value",
        "unit",
        "limit",
        "ratio_to_limit",
        "peer",
        "peer_value",
        "ratio_to_peer",
        "min",
        "max",
        "pairs",
    ]
    columns += ["digest_ok", "gate", "aim"]
    columns = [c for c in columns if any(r.get(c) is not None for r in rows)]
    cells = [columns] + [
        ["-" if r.get(c) is None else f"{r[c]:.3g}" if isinstance(r[c], float) else str(r[c]) for c in columns] for r in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def touch_memory(gigabytes: int) -> None:
    """Has the host of a virtual machine give it so much memory, which else costs whoever is the first to use it up to ten times a page
    fault: 10 µs a page were seen."""
    print(f"bench: uses {gigabytes} GB of memory once ...", flush=True)
    with mmap.mmap(-1, gigabytes << 30) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for place in range(0, gigabytes << 30, mmap.PAGESIZE):
            memory[place] = 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Headrace benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--pairs", type=int, default=7, help="alternating pairs behind the one that warms up (default 7)")
    parser.add_argument("--events", type=int, default=10_000_000, help="nexmark: events of the stream (default 10,000,000)")
    parser.add_argument("--rates", default="10000", help="nexmark: events a second of event time, with commas (default 10000)")
    parser.add_argument("--queries", default="", help="nexmark, flink: only these, with commas")
    parser.add_argument("--seconds", type=float, default=10, help="window_latency, flink_latency: of each run (default 10)")
    parser.add_argument("--no-duckdb", action="store_true", help="nexmark: without DuckDB")
    parser.add_argument(
        "--touch-gb", type=int, default=0, help="first use so much memory once: for a virtual machine that gets its memory so"
    )
    options = parser.parse_args()
    names = options.names or list(BENCHMARKS)
    unknown = [n for n in names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are: {', '.join(BENCHMARKS)}")
    if options.touch_gb > 0:
        touch_memory(options.touch_gb)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    for name in names:
        print(f"\n== {name}", flush=True)
        rows = BENCHMARKS[name](options)
        show(rows)
        document = {
            "benchmark": name,
            "commit": commit,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "date": date.today().isoformat(),
            "rows": rows,
        }
        (results / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nResults are in {results.relative_to(ROOT)}/. What they mean: bench/README.md")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with its `with` block
    sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "cluster")]
    sys.exit(main())
