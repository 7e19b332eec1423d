"""AsyncCalls: how many run at a time, who is blamed, what survives from batch to batch."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fake_taskmanager import FakeTaskManager, WorkerFailed

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


# ---- trips to a worker ----


def waiting(kind: str) -> tuple[tuple[str, Any], tuple[str, Any]]:
    """map_async() of a function whose row "first" waits for the call of the row "second"; then a map()."""
    seen: list[Any] = []

    async def call(row: Any) -> Any:
        seen.append(row)
        while row == "first" and "second" not in seen:
            await asyncio.sleep(0.001)
        if row == "bad":
            raise LookupError("no row like this")
        return row

    return (kind, calls(call)), ("map", str.upper)


@pytest.mark.parametrize("kind", ["map", "flat_map"])
@pytest.mark.parametrize("typed", [False, True])
def test_calls_of_the_next_trip_begin_while_those_of_this_one_go_on(kind: str, typed: bool) -> None:
    setup = {"columns": None, "record": "", "returns": [None, None]}
    with FakeTaskManager(arenas=3) as tm:
        stage = tm.load(*waiting(kind), **({"kind": "records", "setup": setup} if typed else {}))
        other = tm.load(("map", len))
        role = 5 if typed else 0
        tm.start(stage, [(role, ["first", "x"])], 0)
        tm.start(other, [(0, ["abc"])], 1)
        tm.start(stage, [(role, ["second", "y", "z"])], 2)
        # Without the next trip's call the first would not end; answers keep their order all the same.
        assert sorted(tm.finish(0)[0]) == ["FIRST", "X"]
        assert tm.finish(1)[0] == [3]
        assert sorted(tm.finish(2)[0]) == ["SECOND", "Y", "Z"]
        # What began ahead is over: the next trips are as any.
        tm.start(stage, [(role, ["second"])], 0)
        assert tm.finish(0)[0] == ["SECOND"]


def test_a_call_of_the_next_trip_that_fails_is_told_with_that_trip() -> None:
    with FakeTaskManager(arenas=3) as tm:
        stage = tm.load(*waiting("map"))
        tm.start(stage, [(0, ["first", "x"])], 0)
        tm.start(stage, [(0, ["bad", "second"])], 1)
        assert tm.finish(0)[0] == ["FIRST", "X"]
        with pytest.raises(WorkerFailed) as failed:
            tm.finish(1)
        assert failed.value.error["row"] == "'bad'"
        assert failed.value.error["type"] == "LookupError"


def test_a_slow_call_is_hidden_behind_those_of_later_trips() -> None:
    async def slow(row: int) -> int:
        await asyncio.sleep(0.5)
        return row

    with FakeTaskManager(arenas=3) as tm:
        stage = tm.load(("map", calls(slow, max_in_flight=100)))
        tm.run(stage, [0])
        start = time.perf_counter()
        for arena in range(3):
            tm.start(stage, [(0, [arena])], arena)
        assert [tm.finish(arena)[0] for arena in range(3)] == [[0], [1], [2]]
        assert time.perf_counter() - start < 1.4, "three trips of 500 ms, one behind the other, would take 1500"


def test_no_more_calls_at_a_time_than_asked_for_over_all_trips() -> None:
    running: list[int] = []
    peaks: list[int] = []

    async def note(row: int) -> int:
        running.append(row)
        peaks.append(len(running))
        await asyncio.sleep(0.002)
        running.remove(row)
        return max(peaks)

    with FakeTaskManager(arenas=3) as tm:
        stage = tm.load(("map", calls(note, max_in_flight=4)))
        for arena in range(3):
            tm.start(stage, [(0, list(range(20)))], arena)
        assert [max(tm.finish(arena)[0]) for arena in range(3)] == [4, 4, 4]


def test_a_manager_that_hangs_up_while_calls_go_on_ends_the_worker() -> None:
    with FakeTaskManager(arenas=3) as tm:
        stage = tm.load(*waiting("map"))
        tm.start(stage, [(0, ["x"])], 0)
        assert tm.hang_up() == 0
