"""Runs the Nexmark queries of examples/nexmark and compares them with DuckDB over the same rows.

check.py [QUERY...] [--events 200000] [--events-per-second 10000] [--disorder 1] [--parallelism 1 4]
prints for each run the number of rows and their digest, and where they differ the rows.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "nexmark"))

import duckdb
import pyarrow as pa
from headrace import CollectSink, NexmarkSource, StreamExecutionEnvironment
from headrace.graph_builder import assign_uids
from oracles import ORACLES, Oracle
from streams import Streams

QUERIES = Path(__file__).resolve().parents[2] / "examples" / "nexmark"
_SHOWN = 10
#: Its windows are those of the clock: only the total of each bidder can be checked.
WITHOUT_ORACLE = {"q12"}


class Input:
    """The rows of one generated input, in DuckDB. parallelism: at which they are made; it must not matter."""

    def __init__(self, events: int, events_per_second: int, disorder: int = 1, parallelism: int = 1) -> None:
        self.events, self.events_per_second, self.disorder = events, events_per_second, disorder
        self.db = duckdb.connect(":memory:")
        self.db.execute("SET TimeZone = 'UTC'")
        env = StreamExecutionEnvironment("nexmark tables").set_parallelism(parallelism)
        sinks = {
            table: env.add_source(NexmarkSource(table, events, events_per_second, disorder=disorder)).add_sink(CollectSink())
            for table in ("bid", "auction", "person")
        }
        collected, uids = env.execute().collected, assign_uids(env._operators)
        for table, sink in sinks.items():
            self.load(table, collected[uids[sink._operator]])

    def load(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Makes a table of rows; aware times become TIMESTAMPs in UTC."""
        columns = pa.Table.from_pylist(rows)
        for i, field in enumerate(columns.schema):
            if pa.types.is_timestamp(field.type):
                columns = columns.set_column(i, field.name, columns.column(i).cast(pa.timestamp("us")))
        self.db.register("loaded", columns)
        self.db.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM loaded")
        self.db.unregister("loaded")

    def digest(self, table: str) -> tuple[int, str]:
        """Number of rows, and 128 bits that are the same for the same rows in any order: the sum of the rows' MD5s, by halves."""
        names = [f'"{name}"' for name in self._columns(table)]
        text = " || '|' || ".join(f"coalesce({name}::VARCHAR, '~')" for name in names)
        ((n, low, high),) = self.db.execute(
            f"SELECT count(*), coalesce(sum(md5_number_lower(t)::HUGEINT), 0), coalesce(sum(md5_number_upper(t)::HUGEINT), 0) "
            f"FROM (SELECT {text} AS t FROM {table})"
        ).fetchall()
        return n, f"{high % 2**64:016x}{low % 2**64:016x}"

    def _columns(self, table: str) -> dict[str, str]:
        return {name: kind for name, kind, *_ in self.db.execute(f"DESCRIBE {table}").fetchall()}

    def compare(self, rows: list[dict[str, Any]], oracle: Oracle) -> tuple[str, str]:
        """(what is the same, what differs): the second is empty when nothing does."""
        self.db.execute(f"CREATE OR REPLACE TABLE want AS {oracle.sql}")
        want = self._columns("want")
        if oracle.fold:
            rows = final(rows, oracle.fold)
        if not rows:
            n = self.digest("want")[0]
            return "0 rows", f"no rows came, but DuckDB has {n}" if n else ""
        self.load("raw", rows)
        if self._columns("raw").keys() != want.keys():
            return "", f"columns are {list(self._columns('raw'))}, not {list(want)}"
        want = {name: kind for name, kind in want.items() if not oracle.compared or name in oracle.compared}
        self.db.execute(f"CREATE OR REPLACE TABLE want AS SELECT {', '.join(want)} FROM want")
        self.db.execute(
            "CREATE OR REPLACE TABLE got AS SELECT " + ", ".join(f'"{n}"::{k} AS "{n}"' for n, k in want.items()) + " FROM raw"
        )
        got_digest, want_digest = self.digest("got"), self.digest("want")
        if got_digest == want_digest:
            return "{} rows, digest {}".format(*got_digest), ""
        lines = ["{} rows, digest {}, but DuckDB has {} rows, digest {}".format(*got_digest, *want_digest)]
        for what, a, b in (("missing", "want", "got"), ("surplus", "got", "want")):
            found = self.db.execute(f"SELECT * FROM {a} EXCEPT ALL SELECT * FROM {b} LIMIT {_SHOWN}").fetchall()
            lines += [f"  {what}: {row}" for row in found]
        return "", "\n".join(lines)


def run(query: str, input: Input, parallelism: int) -> list[dict[str, Any]]:
    """The rows that the query gives over the same input."""
    env = StreamExecutionEnvironment(f"nexmark {query}").set_parallelism(parallelism)
    streams = Streams(env, input.events, input.events_per_second, input.disorder)
    return importlib.import_module(query).query(streams).collect()


def final(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """The last row of each key of an updating result, unless it was deleted."""
    held: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        kind = row.pop("__row_kind", "insert")
        key = tuple(row[name] for name in keys)
        if kind == "delete" or (kind == "update_before" and held.get(key) == row):
            held.pop(key, None)
        elif kind != "update_before":
            held[key] = row
    return list(held.values())


@functools.cache
def the_input(events: int, events_per_second: int, disorder: int) -> Input:
    return Input(events, events_per_second, disorder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", nargs="*", default=list(ORACLES))
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--events-per-second", type=int, default=10_000)
    parser.add_argument("--disorder", type=int, default=1)
    parser.add_argument("--parallelism", type=int, nargs="+", default=[1, 4])
    given = parser.parse_args()
    input = Input(given.events, given.events_per_second, given.disorder)
    failed = 0
    for query in given.queries:
        for parallelism in given.parallelism:
            same, differs = input.compare(run(query, input, parallelism), ORACLES[query])
            print(f"{query} parallelism {parallelism}: {'ok, ' + same if not differs else 'DIFFERS: ' + differs}", flush=True)
            failed += bool(differs)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
