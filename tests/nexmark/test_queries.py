"""Every Nexmark query over small inputs, at parallelism 1 and 4, beside DuckDB. check.py is the long form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import check
from oracles import ORACLES

# (events, events a second, shuffled within groups of). 100 s of event time in order; ten seconds out of order; one instant.
INPUTS = [(10_000, 100, 1), (10_000, 1_000, 50), (10_000, 1_000_000, 1)]
QUERIES = sorted(path.stem for path in (check.QUERIES).glob("q*.py"))


def test_every_query_has_its_oracle() -> None:
    assert set(QUERIES) == set(ORACLES) | check.WITHOUT_ORACLE


@pytest.mark.parametrize("table", ["bid", "auction", "person"])
def test_rows_are_the_same_at_any_parallelism(table: str) -> None:
    assert check.the_input(5_000, 100, 20).digest(table) == check.Input(5_000, 100, 20, parallelism=4).digest(table)


@pytest.mark.parametrize("shape", INPUTS, ids=lambda shape: "-".join(map(str, shape)))
@pytest.mark.parametrize("parallelism", [1, 4])
@pytest.mark.parametrize("query", sorted(ORACLES))
def test_query(query: str, parallelism: int, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    if parallelism > 1:
        monkeypatch.setenv("HEADRACE_DEBUG__CUT_BATCHES", "7")
    table = check.the_input(*shape)
    _, differs = table.compare(check.run(query, table, parallelism), ORACLES[query])
    if differs:
        pytest.fail(f"{query} over {shape}: {differs}", pytrace=False)


def test_q12_counts_every_bid_once() -> None:
    table = check.the_input(*INPUTS[0])
    rows = check.run("q12", table, 4)
    table.load("windows", rows)
    counted = table.db.execute("SELECT bidder, sum(bid_count) FROM windows GROUP BY bidder ORDER BY bidder").fetchall()
    assert counted == table.db.execute("SELECT bidder, count(*) FROM bid GROUP BY bidder ORDER BY bidder").fetchall()
