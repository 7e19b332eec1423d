"""Triggers written in Python: windows of a row, timers of both clocks, what is said to the aggregate."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.session_triggers import TriggeredSessions
from headrace.window_triggers import Triggered, TriggerResult, TriggerWindow, WindowTrigger
from headrace.windows import Window
from headrace.worker_errors import AtValue

TUMBLING, SLIDING, SESSION, CUMULATE, GLOBAL = 1, 2, 3, 4, 5
ADD, FIRE, CLOSE, LATE, MERGE = 1, 2, 8, 16, 32
END_OF_INPUT = 2**63 - 2


class Windows(dict[Any, Any]):
    """Stands for the map state of the one key."""

    def put(self, key: Any, value: Any) -> None:
        self[key] = value

    def remove(self, key: Any) -> None:
        self.pop(key, None)

    def items(self) -> Any:
        return list(super().items())


class Ctx:
    """Stands for the worker's cursor and its timers."""

    current_key = "a"

    def __init__(self) -> None:
        self.group, self.watermark, self.timer_is_event_time, self.now = 0, -(2**63), True, 1000
        self.registered: list[tuple[str, int]] = []
        self.current_watermark, self.current_processing_time = None, 1000
        self.timers = self

    def register_event_time(self, time: int) -> None:
        self.registered.append(("event", time))

    def register_processing_time(self, time: int) -> None:
        self.registered.append(("processing", time))


def made(trigger: WindowTrigger, kind: int, lateness_ms: int = 0, by_clock: bool = False, **values: int) -> tuple[Any, Ctx]:
    window = Window(kind, **values)
    window._processing = by_clock
    sort = TriggeredSessions if kind == SESSION else Triggered
    function: Any = sort(trigger, window, lateness_ms, ("k",))
    function.names = ["k", "v", "start", "end", "action"]
    function.windows = Windows()
    return function, Ctx()


@pytest.mark.parametrize(
    ("kind", "values", "time", "windows"),
    [
        (TUMBLING, {"size_ms": 10, "slide_ms": 10, "offset_ms": 3}, 12, [(3, 13)]),
        (TUMBLING, {"size_ms": 10, "slide_ms": 10}, -1, [(-10, 0)]),
        (SLIDING, {"size_ms": 20, "slide_ms": 10}, 10, [(0, 20), (10, 30)]),
        (SLIDING, {"size_ms": 15, "slide_ms": 10, "offset_ms": 3}, 14, [(3, 18), (13, 28)]),
        (SLIDING, {"size_ms": 15, "slide_ms": 10, "offset_ms": 3}, 20, [(13, 28)]),
        (CUMULATE, {"size_ms": 30, "slide_ms": 10}, 9, [(0, 10), (0, 20), (0, 30)]),
        (CUMULATE, {"size_ms": 30, "slide_ms": 10}, 20, [(0, 30)]),
        (GLOBAL, {}, None, [None]),
    ],
)
def test_windows_of_a_row(kind: int, values: dict[str, int], time: int | None, windows: list[Any]) -> None:
    function, _ = made(WindowTrigger(), kind, **values)
    assert function.of_time(time) == windows


class Later(WindowTrigger):
    """Fires a second of the clock behind the first row."""

    def on_rows(self, rows: list[Any], window: TriggerWindow) -> TriggerResult:
        if "due" not in window.state:
            window.state["due"] = window.processing_time + 1000
            window.register_processing_time(window.state["due"])
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: TriggerWindow) -> TriggerResult:
        del window.state["due"]
        return TriggerResult.FIRE


def test_a_timer_of_the_clock_fires_once() -> None:
    function, ctx = made(Later(), GLOBAL)
    rows = [{"k": "a", "v": 1}, {"k": "a", "v": 2}]
    out = function.process_rows(rows, [0, 0], [None, None], ctx)
    assert [row["action"] for _, row in out] == [ADD, ADD]
    assert ("processing", 2000) in ctx.registered
    ctx.timer_is_event_time = False
    assert function.on_timer(1500, ctx) == []
    assert function.on_timer(2000, ctx) == [{"k": "a", "v": None, "start": 0, "end": 0, "action": FIRE}]
    assert function.on_timer(2000, ctx) == []


def test_a_timer_that_was_deleted_is_not_called() -> None:
    class Never(Later):
        def on_rows(self, rows: list[Any], window: TriggerWindow) -> TriggerResult:
            result = super().on_rows(rows, window)
            window.delete_processing_time(window.state["due"])
            return result

    function, ctx = made(Never(), GLOBAL)
    function.process_rows([{"k": "a", "v": 1}], [0], [None], ctx)
    ctx.timer_is_event_time = False
    assert function.on_timer(2000, ctx) == []


def test_a_window_goes_behind_its_lateness() -> None:
    function, ctx = made(WindowTrigger(), TUMBLING, lateness_ms=5, size_ms=10, slide_ms=10)
    function.process_rows([{"k": "a", "v": 1}], [0], [1], ctx)
    assert ctx.registered == [("event", 9), ("event", 14)]
    assert [row["action"] for row in function.on_timer(9, ctx)] == [FIRE]
    ctx.watermark = 9
    assert [row["action"] for _, row in function.process_rows([{"k": "a", "v": 2}], [0], [2], ctx)] == [ADD | FIRE]
    assert [row["action"] for row in function.on_timer(14, ctx)] == [CLOSE]
    assert function.windows == {}
    ctx.watermark = 14
    assert [row["action"] for _, row in function.process_rows([{"k": "a", "v": 3}], [0], [3], ctx)] == [LATE]
    assert function.windows == {}


def test_a_list_of_results_has_one_for_each_row() -> None:
    class Short(WindowTrigger):
        def on_rows(self, rows: list[Any], window: TriggerWindow) -> list[TriggerResult]:
            return [TriggerResult.FIRE]

    function, ctx = made(Short(), GLOBAL)
    with pytest.raises(AtValue) as raised:
        function.process_rows([{"k": "a", "v": 1}, {"k": "a", "v": 2}], [0, 0], [None, None], ctx)
    assert "1 for 2 rows" in str(raised.value.__cause__)


def test_a_window_of_the_clock_ends_by_it() -> None:
    function, ctx = made(WindowTrigger(), TUMBLING, by_clock=True, size_ms=300, slide_ms=300)
    out = function.process_rows([{"k": "a", "v": 1}], [0], [None], ctx)
    assert [(row["start"], row["end"], row["action"]) for _, row in out] == [(900, 1200, ADD)]
    assert ctx.registered == [("processing", 1200), ("event", END_OF_INPUT)]
    ctx.timer_is_event_time, ctx.now = False, 1200
    assert [row["action"] for row in function.on_timer(1200, ctx)] == [FIRE | CLOSE]
    assert function.windows == {}


@pytest.mark.parametrize("by_clock", [False, True])
def test_a_session_waits_with_one_timer(by_clock: bool) -> None:
    function, ctx = made(WindowTrigger(), SESSION, by_clock=by_clock, gap_ms=10)
    clock, late = ("processing", 0) if by_clock else ("event", 1)
    for time in (1000, 1004, 1008):
        ctx.now = time
        function.process_rows([{"k": "a", "v": 1}], [0], [time], ctx)
    assert [time for kind, time in ctx.registered if kind == clock] == [1010 - late]
    ctx.timer_is_event_time = not by_clock
    assert function.on_timer(1010 - late, ctx) == []
    assert ctx.registered[-1] == (clock, 1018 - late)
    [fired] = function.on_timer(1018 - late, ctx)
    assert (fired["start"], fired["end"], fired["action"]) == (1000, 1018, FIRE | CLOSE)
    assert function.windows == {}


def test_sessions_that_meet() -> None:
    class Counts(WindowTrigger):
        def on_rows(self, rows: list[Any], window: TriggerWindow) -> TriggerResult:
            window.state["rows"] = window.state.get("rows", 0) + len(rows)
            return TriggerResult.CONTINUE

        def on_merge(self, window: TriggerWindow, other: dict[str, int]) -> None:
            assert (window.start, window.end) == (1, 30)
            window.state["rows"] = 10 * window.state["rows"] + other["rows"]

    function, ctx = made(Counts(), SESSION, gap_ms=10)
    times = [1, 20, 2, 11, 20]
    out = function.process_rows([{"k": "a", "v": at} for at in range(5)], [0] * 5, times, ctx)
    # What came before the row that joins them is seen before it.
    assert [(row["v"], row["start"], row["end"], row["action"]) for _, row in out] == [
        (0, 1, 11, ADD),
        (2, 1, 12, ADD),
        (1, 20, 30, ADD),
        (None, 1, 20, MERGE),
        (3, 1, 30, ADD),
        (4, 1, 30, ADD),
    ]
    assert {start: entry[0] for start, entry in function.windows.items()} == {1: {"rows": 23}}


def test_a_session_that_begins_earlier() -> None:
    function, ctx = made(WindowTrigger(), SESSION, gap_ms=10)
    out = function.process_rows([{"k": "a", "v": 0}, {"k": "a", "v": 1}], [0, 0], [20, 15], ctx)
    assert [(row["start"], row["end"], row["action"]) for _, row in out] == [(20, 30, ADD), (15, 20, MERGE), (15, 30, ADD)]
    assert list(function.windows) == [15]
