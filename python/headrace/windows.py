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
