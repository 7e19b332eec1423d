"""Process functions of windows: code that runs once for each group and window, with all its rows.

class Median(ProcessWindowFunction):
    def process(self, key, window, rows):
        prices = sorted(row["price"] for row in rows)
        yield {"auction": key, "start": window.start, "median": prices[len(prices) // 2]}

bids.group_by("auction").window(TumblingWindow(10_000)).process(Median(), returns={"auction": int, "start": int, "median": int})
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

if TYPE_CHECKING:
    from headrace.grouped_stream import WindowedStream
    from headrace.process import Context, OutputTag
    from headrace.stream import DataStream

T = TypeVar("T")
U = TypeVar("U")

#: The column of the aggregate that holds a window's rows, and the key of windows without keys.
_ROWS, _ONE_KEY = "window_rows", "window_key"


class WindowContext:
    """A window, and what a process function of windows may do besides giving rows. Valid during the call.

    start, end: ms since 1970, the end exclusive; None for windows of rows and for the global window.
    watermark: the last one that came before these rows, None before the first. It is below end - 1, unless the window comes again for late rows.
    """

    def __init__(self, start: int | None, end: int | None, ctx: Context) -> None:
        self.start, self.end, self._ctx = start, end, ctx

    @property
    def watermark(self) -> int | None:
        """The last watermark that came before the rows, in ms."""
        return self._ctx.timers.current_watermark

    @property
    def processing_time(self) -> int:
        """The machine's clock in ms, as it was when the rows were sent."""
        return self._ctx.timers.current_processing_time

    def output(self, tag: str | OutputTag, row: Any) -> None:
        """Sends a row to a side output."""
        self._ctx.output(tag, row)

    def __repr__(self) -> str:
        return f"WindowContext(start={self.start}, end={self.end})"


class ProcessWindowFunction(Generic[T, U]):
    """Code for each group and window. One instance runs for each subtask. States that it declares belong to the key, across its windows.

    An exception fails the job, naming the window's row and the line.
    """

    def open(self, ctx: Any) -> None:
        """Called once before the first window; ctx.subtask and ctx.parallelism say where."""

    def process(self, key: Any, window: WindowContext, rows: list[T]) -> Iterable[U] | None:
        """Called for each group and window that comes: yields rows, returns an iterable of them, or None.

        key: the value of the key column, of several a tuple, without keys None. rows: dicts, in the order of arrival."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process(key, window, rows)")


class _EachWindow:
    """The process function that calls one of windows: it gets a row of the aggregate for each group and window."""

    def __init__(self, function: Any, keyed: bool, aggregates: list[str]) -> None:
        from headrace.state import states_of

        self.function, self.keyed, self.aggregates = function, keyed, aggregates
        self._call: Any = function.process if hasattr(function, "process") else function
        for name, state in states_of(function).items():
            setattr(self, name, state)
        self._states = list(states_of(function))

    def open(self, ctx: Any) -> None:
        # The worker has bound the states of this object; the user's function uses the same.
        for name in self._states:
            setattr(self.function, name, getattr(self, name))
        if hasattr(self.function, "open"):
            self.function.open(ctx)

    def process(self, row: dict[str, Any], ctx: Context) -> Any:
        start, end = row.get("window_start"), row.get("window_end")
        window = WindowContext(_ms(start), _ms(end), ctx)
        rows = [{name: row[name] for name in self.aggregates}] if self.aggregates else row[_ROWS]
        return self._call(ctx.current_key if self.keyed else None, window, rows)

    def on_timer(self, time: int, ctx: Context) -> Any:
        raise NotImplementedError("a process function of windows has no timers")


def _ms(time: Any) -> int | None:
    if time is None:
        return None
    from headrace.worker_columns import milliseconds

    return milliseconds(time)


def process_windows(windowed: WindowedStream, function: Any, returns: Any, agg: Any) -> DataStream[Any]:
    """What WindowedStream.process() does: an aggregate that gathers the rows of each window, and a process function behind it."""
    from headrace.aggregates import collect
    from headrace.expressions import lit
    from headrace.process import Keyed, process

    if isinstance(function, type):
        raise JobTypeError(f"process ({here()}): it takes an instance: process({function.__name__}())")
    if not callable(getattr(function, "process", function)):
        raise JobTypeError(
            f"process ({here()}): it takes a ProcessWindowFunction or a function of key, window and rows, not {type(function).__name__}"
        )
    if windowed._window is None:
        raise JobValueError(f"process ({here()}): a process function of windows needs a window: group_by(…).window(…).process(…)")
    calls = dict(agg) if agg else {}
    keys = windowed._keys
    gathered = windowed.agg(**(calls or {_ROWS: collect()}))
    late = gathered._sides
    stream = gathered
    if not keys:
        from headrace.relational import Select

        stream = gathered._relational("select", Select.added({_ONE_KEY: lit(0)}))
    inner = _EachWindow(function, bool(keys), list(calls))
    out = process(Keyed(stream, keys or (_ONE_KEY,)), inner, returns)
    operator = out._operator
    shown = type(function).__qualname__ if hasattr(function, "process") else getattr(function, "__name__", "process")
    operator.default_name = shown.rpartition(".")[2][:100]
    out._sides = late
    return out
