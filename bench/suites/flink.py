"""Queries beside Apache Flink, both as clusters of one JobManager and one TaskManager with one slot, rows made in the job: the same stream,
made by the same functions (peers/flink/java/headrace/bench/Stream.java). What counts is CPU seconds of the TaskManager's process tree.

Each query first runs once on both with its result digested: that is also what warms Flink's JVM up. Results that differ make it void. Then
alternating pairs with counted results."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from suites.programs import ROOT, Row, process_tree_cpu, ratio

SQL_FUNCTIONS = ROOT / "bench" / "peers" / "flink" / "sql" / "functions.py"


@dataclass(frozen=True)
class Query:
    """name: of the SQL file. job: of nexmark/peer_jobs.py. gate, aim: least ratio of events per CPU second. keys: columns whose rows are
    changes. mean: a column that is a whole number in SQL."""

    name: str
    job: str
    events: int
    gate: float
    aim: float
    keys: int = 0
    mean: str = ""


QUERIES = [
    Query("q5", "q5", 20_000_000, 15, 50),
    Query("q17", "q17", 20_000_000, 15, 50, keys=2, mean="mean"),
    Query("q17_mini_batch", "q17", 20_000_000, 15, 50, keys=2, mean="mean"),
    Query("q7_join", "q7_join", 5_000_000, 20, 100),
    Query("interval_join", "interval_join", 5_000_000, 20, 100),
    Query("regular_join", "regular_join", 5_000_000, 20, 100),
    Query("python_scalar", "python_scalar", 2_000_000, 1, 4),
    Query("python_vectorized", "python_vectorized", 2_000_000, 1, 4),
]


class Ours:
    """A JobManager and a TaskManager with one slot."""

    def __init__(self, folder: Path, kafka: str = "127.0.0.1:1") -> None:
        from harness.cluster import Cluster

        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._cluster = Cluster(folder, None, kafka)

    def __enter__(self) -> Ours:
        self._cluster.start(task_managers=1, slots=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.stop()

    def run(self, job: bytes, within_s: float = 600) -> tuple[float, float]:
        """Seconds from start to end of the job, CPU seconds of the TaskManager and its children."""
        pid = self._cluster.task_managers["tm1"].pid
        before = process_tree_cpu(pid)
        status = self._cluster.await_status(self._cluster.submit(job), "FINISHED", within_s)
        return (status["end_time"] - status["start_time"]) / 1000, process_tree_cpu(pid) - before


def _digest(folder: Path, query: Query) -> str:
    """Rows and digest of the files of a result, as the result table of the harness writes them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from nexmark.digest import digest
    from pyarrow import csv

    files = sorted(folder.iterdir(), key=lambda file: int(file.name.rpartition("-")[2]))
    table = pa.concat_tables([csv.read_csv(file) for file in files])
    rows = table.num_rows
    if query.keys:
        words = np.zeros(rows, dtype=np.int64)
        for column in table.columns[: query.keys]:
            words = words * 1_000_003 + column.to_numpy().astype(np.int64)
        _, last = np.unique(words[::-1], return_index=True)
        table = table.take(pa.array(rows - 1 - last))
    if query.mean:
        at = table.schema.get_field_index(query.mean)
        table = table.set_column(at, query.mean, pc.cast(pc.floor(table.column(at)), pa.int64()))
    return f"{rows} {digest(table)}"


def _measure(query: Query, flink: Any, ours: Ours, pairs: int) -> Row:
    from nexmark.peer_jobs import job_file

    out = ours.folder / "out"
    values = {"events": query.events, "python": flink.python, "functions": SQL_FUNCTIONS}
    shutil.rmtree(out, ignore_errors=True)
    ours.run(job_file(query.job, query.events, str(out)))
    mine, theirs = _digest(out, query), flink.run(query.name, digest="true", **values).result
    shutil.rmtree(out, ignore_errors=True)
    # How many changes an updating query gives out is each engine's own; the last rows are not.
    equal = mine.split()[1] == theirs.split()[1] if query.keys else mine == theirs
    if not equal:
        print(f"bench: {query.name} is void, the results differ: {mine} here, {theirs} there", file=sys.stderr)
    job = job_file(query.job, query.events)
    rates: list[float] = []
    limits: list[float] = []
    seconds: list[tuple[float, float]] = []
    for _ in range(pairs):
        took, cpu = ours.run(job)
        run = flink.run(query.name, digest="false", **values)
        rates.append(query.events / cpu / 1e6)
        limits.append(query.events / run.cpu_seconds / 1e6)
        seconds.append((took, run.seconds))
    row = peer_row(f"{query.name}, {query.events // 1_000_000} M events", "events/cpu-s", rates, limits, query.gate, query.aim)
    row |= {"digest_ok": equal, "settings": flink.settings, "job_seconds": seconds}
    print(
        f"  {query.name}: {row['value']} M events a CPU second, {row['ratio_to_peer']} x Flink ({row['peer_value']})", flush=True
    )
    return row


def peer_row(case: str, metric: str, rates: list[float], limits: list[float], gate: float, aim: float) -> Row:
    return {
        "case": case,
        "metric": metric,
        "value": round(median(rates), 3),
        "unit": "M/s",
        "peer": "Flink",
        "peer_value": round(median(limits), 3),
        "ratio_to_peer": round(ratio(rates, limits), 1),
        "pairs": len(rates),
        "min": round(min(rates), 3),
        "max": round(max(rates), 3),
        "gate": f">= {gate:g}x",
        "aim": f">= {aim:g}x",
    }


def run(options: argparse.Namespace) -> list[Row]:
    from peers.flink.cluster import FlinkCluster
    from peers.flink.install import install

    wanted = options.queries.split(",") if options.queries else [query.name for query in QUERIES]
    flink = install()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="headrace-bench-flink-") as folder, Ours(Path(folder)) as ours:
        for query in (query for query in QUERIES if query.name in wanted):
            # A TaskManager of its own a query: one that has run out of heap or filled its code cache is nobody's limit.
            with FlinkCluster(flink, Path(folder) / f"flink-{query.name}") as cluster:
                rows.append(_measure(query, cluster, ours, max(1, options.pairs // 2)))
    return rows
