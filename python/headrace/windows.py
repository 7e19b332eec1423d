"""Windows. They only describe: the engine settles the rest. Times are ms, or a timedelta."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

_TUMBLING, _SLIDING, _SESSION, _CUMULATE, _GLOBAL, _COUNT = 1, 2, 3, 4, 5, 6


def milliseconds(what: str, value: Any, least: int = 0) -> int:
    """An int is ms already; a timedelta is taken too."""
    ms = value // timedelta(milliseconds=1) if isinstance(value, timedelta) else value
    if isinstance(ms, bool) or not isinstance(ms, int):
        raise JobTypeError(f"{what} ({here()}): it takes ms as an int, or a timedelta, not {type(value).__name__}")
    if ms < least:
        raise JobValueError(f"{what} ({here()}): {ms} ms is too short; at least {least} ms")
    return ms


class Window:
    """Which rows belong together. processing_time(): by the clock of the machine instead of the rows' event times."""

    def __init__(self, kind: int, **values: int) -> None:
        self._kind, self._values, self._processing = kind, values, False

    def processing_time(self) -> Window:
        """The same window by the clock of the machine: no watermark, no late rows, and another result at every run."""
        if self._kind in (_GLOBAL, _COUNT):
            raise JobValueError(f"processing_time ({here()}): a window of rows or without end has no time")
        window = Window(self._kind, **self._values)
        window._processing = True
        return window

    @property
    def has_bounds(self) -> bool:
        """Whether results have window_start and window_end."""
        return self._kind not in (_GLOBAL, _COUNT)

    @property
    def merges(self) -> bool:
        """Whether what stands in one window is put together of parts: of slices that windows share, or of sessions that become one."""
        v = self._values
        if self._kind == _COUNT:
            return v["rows"] != v["every"]
        return self._kind in (_SESSION, _CUMULATE) or (self._kind == _SLIDING and v["size_ms"] != v["slide_ms"])

    @property
    def joins(self) -> bool:
        """Whether two of its windows may become one."""
        return self._kind == _SESSION

    def fill(self, message: Any) -> None:
        """Writes it into a plan_pb2.Window."""
        message.kind, message.processing_time = self._kind, self._processing
        for name, value in self._values.items():
            setattr(message, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self._values.items())})"


class TumblingWindow(Window):
    """Windows of one size, one after the other: [k * size + offset, (k + 1) * size + offset)."""

    def __init__(self, size_ms: int | timedelta, *, offset_ms: int | timedelta = 0) -> None:
        size = milliseconds("TumblingWindow", size_ms, 1)
        super().__init__(_TUMBLING, size_ms=size, slide_ms=size, offset_ms=milliseconds("TumblingWindow", offset_ms, -(2**62)))


class SlidingWindow(Window):
    """Windows of one size that begin every slide; a row is in size / slide of them, and costs as much as in one."""

    def __init__(self, size_ms: int | timedelta, slide_ms: int | timedelta, *, offset_ms: int | timedelta = 0) -> None:
        size, slide = milliseconds("SlidingWindow", size_ms, 1), milliseconds("SlidingWindow", slide_ms, 1)
        if slide > size:
            raise JobValueError(
                f"SlidingWindow ({here()}): the slide of {slide} ms is longer than the size of {size} ms: rows in between would be in no window"
            )
        super().__init__(_SLIDING, size_ms=size, slide_ms=slide, offset_ms=milliseconds("SlidingWindow", offset_ms, -(2**62)))


class SessionWindow(Window):
    """Rows of a key with at most the gap between one and the next."""

    def __init__(self, gap_ms: int | timedelta) -> None:
        super().__init__(_SESSION, gap_ms=milliseconds("SessionWindow", gap_ms, 1))


class CumulateWindow(Window):
    """Windows that begin every size and end at every step until then: 00:00-00:01, 00:00-00:02, … 00:00-01:00."""

    def __init__(self, size_ms: int | timedelta, step_ms: int | timedelta) -> None:
        size, step = milliseconds("CumulateWindow", size_ms, 1), milliseconds("CumulateWindow", step_ms, 1)
        if size % step:
            raise JobValueError(f"CumulateWindow ({here()}): the size of {size} ms is no multiple of the step of {step} ms")
        super().__init__(_CUMULATE, size_ms=size, slide_ms=step)


class GlobalWindow(Window):
    """All rows of a key, without end; needs a trigger, or the end of a bounded input."""

    def __init__(self) -> None:
        super().__init__(_GLOBAL)


class CountWindow(Window):
    """Every `rows` rows of a key; with `every`, the last `rows` rows at every so many."""

    def __init__(self, rows: int, every: int | None = None) -> None:
        for name, value in (("rows", rows), ("every", rows if every is None else every)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise JobValueError(f"CountWindow ({here()}): {name} is {value!r}; it takes an int, 1 or more")
        super().__init__(_COUNT, rows=rows, every=rows if every is None else every)


class Trigger:
    """At which rows a group of a window comes before the window is complete. It then holds all rows so far, and the complete window comes in
    any case; with purging() only rows since it came last, and the end of the window gives the rest.

    A condition that has held stays so until the whole trigger fires; then all of them begin anew.
    """

    def __init__(
        self, kind: int, *, rows: int = 0, value: Any = None, threshold: float = 0, parts: tuple[Trigger, ...] = ()
    ) -> None:
        self._kind, self._rows, self._value, self._threshold, self._parts = kind, rows, value, threshold, parts
        self._purges = False

    @staticmethod
    def every_rows(rows: int) -> Trigger:
        """At every so many rows of the group."""
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise JobValueError(f"Trigger.every_rows ({here()}): rows is {rows!r}; it takes an int, 1 or more")
        return Trigger(1, rows=rows)

    @staticmethod
    def when(condition: Any) -> Trigger:
        """At rows for which a condition is true: when(col("urgent"))."""
        from headrace.expressions import Expression

        if not isinstance(condition, Expression):
            raise JobTypeError(
                f"Trigger.when ({here()}): it takes an expression such as col('urgent'), not {type(condition).__name__}"
            )
        return Trigger(2, value=condition)

    @staticmethod
    def delta(value: Any, threshold: float) -> Trigger:
        """When a number is more than the threshold away from that of the row at which the group came last, or of its first row.

        value: a column's name or an expression. Null is passed over."""
        from headrace.expressions import col, lit

        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not threshold >= 0:
            raise JobValueError(f"Trigger.delta ({here()}): the threshold is {threshold!r}; it takes a number, 0 or more")
        return Trigger(3, value=col(value) if isinstance(value, str) else lit(value), threshold=float(threshold))

    @staticmethod
    def any_of(*triggers: Trigger) -> Trigger:
        """When one of them holds."""
        return Trigger(4, parts=_triggers("any_of", triggers))

    @staticmethod
    def all_of(*triggers: Trigger) -> Trigger:
        """When all of them have held since the group came last, at one row or at several."""
        return Trigger(5, parts=_triggers("all_of", triggers))

    def purging(self) -> Trigger:
        """The same; a group that came begins anew. Of overlapping windows each has rows of its own. Without
        allowed lateness."""
        made = Trigger(self._kind, rows=self._rows, value=self._value, threshold=self._threshold, parts=self._parts)
        made._purges = True
        return made

    def fill(self, message: Any) -> None:
        """Writes it into a plan_pb2.RowTrigger."""
        message.kind, message.rows, message.threshold = self._kind, self._rows, self._threshold
        if self._value is not None:
            self._value.fill(message.expression)
        for part in self._parts:
            part.fill(message.parts.add())


def _triggers(what: str, triggers: tuple[Any, ...]) -> tuple[Trigger, ...]:
    if not triggers or not all(isinstance(trigger, Trigger) for trigger in triggers):
        raise JobTypeError(f"Trigger.{what} ({here()}): it takes triggers, one or more, not {triggers!r}")
    if any(trigger._purges for trigger in triggers):
        raise JobValueError(f"Trigger.{what} ({here()}): purging() belongs to the whole trigger: {what}(…).purging()")
    return triggers
