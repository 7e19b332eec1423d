"""Triggers written in Python: windows of a row, timers of both clocks, what is said to the aggregate."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.window_triggers import TriggerResult, TriggerWindow, WindowTrigger, _Triggered
from headrace.worker_errors import AtValue

TUMBLING, SLIDING, CUMULATE, GLOBAL = 1, 2, 4, 5
ADD, FIRE, CLOSE, LATE = 1, 2, 8, 16


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
        self.group, self.watermark, self.timer_is_event_time = 0, -(2**63), True
        self.registered: list[tuple[str, int]] = []
        self.current_watermark, self.current_processing_time = None, 1000
        self.timers = self

    def register_event_time(self, time: int) -> None:
        self.registered.append(("event", time))

    def register_processing_time(self, time: int) -> None:
        self.registered.append(("processing", time))


def made(trigger: WindowTrigger, kind: int, lateness_ms: int = 0, **values: int) -> tuple[Any, Ctx]:
    function: Any = _Triggered(trigger, kind, values, lateness_ms, ("k",))
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
