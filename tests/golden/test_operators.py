"""Every golden case of operators/, at parallelism 1 and 4, batches whole and cut at random places, and beside DuckDB.

GOLDEN_SEED=7 repeats a run's cuts; without it every run draws its own, and prints it.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import oracle
import runs
from cases import Case, read_all
from rows import difference

SEED = int(os.environ.get("GOLDEN_SEED") or random.SystemRandom().randrange(1, 10**6))
CASES = [case for file in read_all() for case in file.cases]


@pytest.fixture(scope="session")
def problems(request: pytest.FixtureRequest) -> dict[int, str]:
    """What is wrong with each of the chosen cases, run together."""
    parameters = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    chosen = {id(case): case for case in parameters if isinstance(case, Case)}
    print(f"GOLDEN_SEED={SEED}")
    return runs.check(list(chosen.values()), SEED)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operator}:{case.line}-{case.title.replace(' ', '_')}")
def test_case(case: Case, problems: dict[int, str]) -> None:
    if problems[id(case)]:
        pytest.fail(f"{problems[id(case)]}Repeat with GOLDEN_SEED={SEED}.", pytrace=False)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.sql], ids=lambda case: f"{case.operator}:{case.line}-{case.title.replace(' ', '_')}"
)
def test_duckdb_agrees(case: Case) -> None:
    assert case.expected is not None
    found = difference(case.expected.rows, oracle.answer(case), loose=True)
    if found:
        pytest.fail(f"{case}: DuckDB does not give the expected rows:\n{found}", pytrace=False)
