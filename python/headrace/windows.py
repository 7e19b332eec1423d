"""Windows, triggers and watermark strategies. They only describe: the engine settles the rest. Times are ms, or a timedelta."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

if TYPE_CHECKING:
    from headrace.expressions import Expression

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


class WatermarkStrategies:
    """How far the watermark stays behind the newest row: the rows behind it are late.

    bounded_out_of_orderness(ms), monotonous(), no_watermarks(); then .with_timestamp(…), .with_idleness(…), .with_alignment(…).
    """

    def __init__(self, strategy: int, bound_ms: int = 0) -> None:
        self._strategy, self._bound_ms = strategy, bound_ms
        self._timestamp: Expression | Callable[..., Any] | None = None
        self._idle_after_ms = 0
        self._group, self._max_drift_ms = "", 0

    @classmethod
    def bounded_out_of_orderness(cls, bound: int | timedelta) -> WatermarkStrategies:
        """Rows are at most `bound` older than the newest one of their split."""
        return cls(1, milliseconds("bounded_out_of_orderness", bound))

    @classmethod
    def monotonous(cls) -> WatermarkStrategies:
        """Rows of a split come in the order of their times."""
        return cls(2)

    @classmethod
    def no_watermarks(cls) -> WatermarkStrategies:
        """Event time never advances before the end of the input."""
        return cls(0)

    def _copy(self) -> WatermarkStrategies:
        import copy

        return copy.copy(self)

    def with_timestamp(self, timestamp: str | Expression | Callable[[Any], Any]) -> WatermarkStrategies:
        """Where a row's time stands: a column, an expression (timestamp, or ms as an int), or a function row -> ms or aware datetime.

        Without it the source's own: a Kafka record's timestamp.
        """
        from headrace.expressions import Expression, col

        if not isinstance(timestamp, (str, Expression)) and not callable(timestamp):
            raise JobTypeError(
                f"with_timestamp ({here()}): it takes a column, an expression or a function, not {type(timestamp).__name__}"
            )
        changed = self._copy()
        changed._timestamp = col(timestamp) if isinstance(timestamp, str) else timestamp
        return changed

    def with_idleness(self, after: int | timedelta) -> WatermarkStrategies:
        """A split without rows for so long holds the watermark back no more, until it has rows again."""
        changed = self._copy()
        changed._idle_after_ms = milliseconds("with_idleness", after, 1)
        return changed

    def with_alignment(self, group: str, max_drift: int | timedelta) -> WatermarkStrategies:
        """Splits and sources of one group that are more than max_drift ahead of the slowest one pause."""
        changed = self._copy()
        changed._group, changed._max_drift_ms = group, milliseconds("with_alignment", max_drift, 1)
        return changed

    def fill(self, message: Any) -> None:
        """Writes all but a Python function into a plan_pb2.EventTime."""
        message.strategy, message.bound_ms = self._strategy, self._bound_ms
        message.idle_after_ms, message.alignment_group, message.max_drift_ms = (
            self._idle_after_ms,
            self._group,
            self._max_drift_ms,
        )
        if self._timestamp is not None and hasattr(self._timestamp, "fill"):
            self._timestamp.fill(message.timestamp)
