"""Nexmark on prebuilt batches in memory, one core: the engine's tasks beside a hand-written loop in the same process and DuckDB with
one thread on the same table. The results' digests must be equal, else the run is void."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from suites.plots import line_plot
from suites.programs import Program, Row, ratio


@dataclass(frozen=True)
class Query:
    """gate and aim: least share of the hand loop's rate. duckdb: columns in the engine's order, all of 8-byte words."""

    name: str
    gate: float
    aim: float
    duckdb: str
    fold_keys: int = 0
    batch_events: int = 8000
    duckdb_gate: float | None = None


_SLIDING = """
WITH slices AS (SELECT auction, __event_time // 2000 AS slice, count(*) AS n FROM bid GROUP BY ALL),
windows AS (SELECT auction, (slice + 1 + k) * 2000 AS window_end, sum(n)::BIGINT AS num FROM slices, range(5) AS r(k) GROUP BY ALL),
most AS (SELECT window_end, max(num) AS num FROM windows GROUP BY ALL)
SELECT auction, window_end - 10000 AS window_start, window_end, num FROM windows JOIN most USING (window_end, num)"""

QUERIES = [
    Query("q1", 1 / 8, 1 / 3, "SELECT auction, bidder, price * 908, 0::BIGINT, __event_time FROM bid"),
    Query("q2", 1 / 8, 1 / 3, "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    Query("q5", 1 / 5, 1 / 2, _SLIDING, duckdb_gate=1),
    Query(
        "q7",
        1 / 8,
        1 / 3,
        "WITH most AS (SELECT __event_time // 10000 AS w, max(price) AS price FROM bid GROUP BY ALL) "
        "SELECT auction, bidder, bid.price, __event_time, w * 10000, w * 10000 + 10000 FROM bid JOIN most "
        "ON bid.price = most.price AND bid.__event_time // 10000 = w",
    ),
    Query(
        "q8",
        1 / 8,
        1 / 3,
        "WITH p AS (SELECT DISTINCT id, name, __event_time // 10000 AS w FROM person), "
        "a AS (SELECT DISTINCT seller, __event_time // 10000 AS w FROM auction) "
        "SELECT id, name, p.w * 10000 FROM p JOIN a ON p.id = a.seller AND p.w = a.w",
        batch_events=100_000,
    ),
    Query(
        "q17",
        1 / 5,
        1 / 2,
        "SELECT auction, __event_time // 86400000 AS day, count(*) AS total, count(*) FILTER (WHERE price < 10000), "
        "count(*) FILTER (WHERE price >= 10000 AND price < 1000000), count(*) FILTER (WHERE price >= 1000000), "
        "min(price), max(price), avg(price), sum(price)::BIGINT FROM bid GROUP BY auction, day",
        fold_keys=2,
        duckdb_gate=1,
    ),
]


class _DuckDb:
    """The tables of a query in DuckDB's own format, one thread."""

    def __init__(self, folder: str) -> None:
        import duckdb
        import pyarrow as pa

        self._connection = duckdb.connect()
        self._connection.execute("SET threads = 1")
        for file in Path(folder).glob("*.arrow"):
            self._connection.register("arrow_rows", pa.ipc.open_file(str(file)).read_all())
            self._connection.execute(f"CREATE TABLE {file.stem} AS SELECT * FROM arrow_rows")
            self._connection.unregister("arrow_rows")

    def digest(self, sql: str) -> str:
        from nexmark.digest import digest

        return digest(self._connection.sql(sql).to_arrow_table())

    def run(self, sql: str) -> float:
        """CPU seconds of this process."""
        start = time.process_time()
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {sql}")
        return time.process_time() - start


def _measure(query: Query, events: int, rate: int, pairs: int, with_duckdb: bool, folder: str) -> list[Row]:
    from nexmark.jobs import job_file

    job = Path(folder) / f"{query.name}.pkl"
    job.write_bytes(job_file(query.name, events, rate))
    arguments = [str(job), "--query", query.name, "--events", str(events), "--rate", str(rate)]
    arguments += ["--fold-keys", str(query.fold_keys), "--batch-events", str(query.batch_events)]
    with Program("job", *arguments) as program:
        digests = {"engine": program.ask("engine digest")["digest"], "hand": program.ask("hand digest")["digest"]}
        duckdb = None
        if with_duckdb:
            program.ask(f"dump {folder}")
            duckdb = _DuckDb(folder)
            digests["duckdb"] = duckdb.digest(query.duckdb)
            duckdb.run(query.duckdb)
            for file in Path(folder).glob("*.arrow"):
                file.unlink()
        times: dict[str, list[float]] = {name: [] for name in digests}
        for pair in range(pairs + 1):
            for name in times:
                took = duckdb.run(query.duckdb) if duckdb and name == "duckdb" else program.ask(name)["seconds"]
                if pair:  # the first pair warms caches and allocators
                    times[name].append(took)
    equal = len(set(digests.values())) == 1
    if not equal:
        print(f"bench: {query.name} is void, the results differ: {digests}", file=sys.stderr)
    rates = {name: [events / t / 1e6 for t in values] for name, values in times.items()}
    row: Row = {
        "case": f"{query.name}/{rate // 1000}K",
        "metric": "events/s/core",
        "value": round(median(rates["engine"]), 2),
        "unit": "M/s",
        "limit": round(median(rates["hand"]), 1),
        "ratio_to_limit": round(ratio(rates["engine"], rates["hand"]), 3),
        "pairs": pairs,
        "min": round(min(rates["engine"]), 2),
        "max": round(max(rates["engine"]), 2),
        "digest_ok": equal,
        "gate": f">= {query.gate:.3g} of hand" + (f", >= {query.duckdb_gate:g}x DuckDB" if query.duckdb_gate else ""),
        "aim": f">= {query.aim:.2g}" + (", 5x" if query.duckdb_gate else ""),
    }
    if duckdb:
        row |= {
            "peer": "DuckDB, 1 thread",
            "peer_value": round(median(rates["duckdb"]), 2),
            "ratio_to_peer": round(ratio(rates["engine"], rates["duckdb"]), 2),
        }
    return [row]


def run(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    wanted = options.queries.split(",") if options.queries else [query.name for query in QUERIES]
    from nexmark.jobs import JOBS

    for query in QUERIES:
        if query.name not in wanted or query.name not in JOBS:
            continue
        for rate in (int(r) for r in options.rates.split(",")):
            with tempfile.TemporaryDirectory(prefix="headrace-bench-nexmark-") as folder:
                rows += _measure(query, options.events, rate, options.pairs, not options.no_duckdb, folder)
                print(_line(rows[-1]), flush=True)
    _plot(rows)
    return rows


def _plot(rows: list[Row]) -> None:
    """The share of the hand loop over rates of event time, a curve a query, when there are several."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        query, _, rate = row["case"].partition("/")
        rates, shares = curves.setdefault(query, ([], []))
        rates.append(float(rate.removesuffix("K")) * 1000)
        shares.append(row["ratio_to_limit"])
    if any(len(rates) > 1 for rates, _ in curves.values()):
        line_plot("nexmark", "events a second of event time", "share of the hand loop's rate", curves)


def _line(row: dict[str, Any]) -> str:
    peer = f", {row['ratio_to_peer']} x DuckDB" if "ratio_to_peer" in row else ""
    return f"  {row['case']}: {row['value']} M events/s, {row['ratio_to_limit']} of the hand loop ({row['limit']}){peer}"
