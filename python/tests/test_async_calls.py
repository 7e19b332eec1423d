"""AsyncCalls: how many run at a time, who is blamed, what survives from batch to batch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.async_calls import AsyncCalls


def calls(function: Any, **settings: Any) -> AsyncCalls:
    given: dict[str, Any] = {"max_in_flight": 4, "timeout": 10_000, "retries": 0, "retry_delay": 0, "on_timeout": None} | settings
    return AsyncCalls.of(function, **given)


def test_as_many_at_a_time_as_asked_for_and_no_more() -> None:
    running: list[int] = []
    peaks: list[int] = []

    async def note(row: int) -> int:
        running.append(row)
        peaks.append(len(running))
        await asyncio.sleep(0.001)
        running.remove(row)
        return -row

    assert calls(note).run(iter(range(50)), False) == [-n for n in range(50)]
    assert max(peaks) == 4


def test_results_by_completion_name_their_rows() -> None:
    async def backwards(row: int) -> int:
        await asyncio.sleep(0.02 * (3 - row))
        return row * 10

    assert calls(backwards).run(iter([0, 1, 2, 3]), True) == [(3, 30), (2, 20), (1, 10), (0, 0)]


def test_the_row_that_failed_is_the_last_one_taken() -> None:
    cancelled: list[int] = []

    async def fail(row: int) -> int:
        if row == 2:
            raise KeyError("no such thing")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(row)
            raise
        return row

    rows = iter(range(10))
    with pytest.raises(KeyError, match="no such thing"):
        calls(fail).run(rows, False)
    assert next(rows) == 3, "row 2 is blamed"
    assert sorted(cancelled) == [0, 1, 3], "the others are told to end"


def test_the_loop_lives_on() -> None:
    loops: set[int] = set()

    async def loop(row: int) -> None:
        loops.add(id(asyncio.get_running_loop()))

    made = calls(loop)
    made.run(iter([1]), False)
    made.run(iter([2]), False)
    assert len(loops) == 1


def test_wrong_arguments() -> None:
    async def good(row: Any) -> Any:
        return row

    with pytest.raises(TypeError, match="async def"):
        calls(len)
    for wrong in ({"max_in_flight": 0}, {"max_in_flight": True}, {"retries": -1}, {"timeout": 0}):
        with pytest.raises(ValueError, match="map_async"):
            calls(good, **wrong)
    with pytest.raises(TypeError, match="on_timeout takes a plain function"):
        calls(good, on_timeout=good)
