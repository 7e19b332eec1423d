"""Typed rows grouped by columns and windows: what group_by() and window() give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.stream import check_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregates import Aggregate
    from headrace.process import ConnectedStreams, Keyed, KeyedProcessFunction
    from headrace.stream import DataStream, KeyedStream
    from headrace.window_triggers import WindowTrigger
    from headrace.windows import Trigger, Window

U = TypeVar("U")


class GroupedStream:
    """Typed rows grouped by columns. Made by group_by(); agg(), window() or top() go on."""

    def __init__(self, stream: DataStream[Any], keys: tuple[str, ...], ttl_ms: int = 0) -> None:
        self._stream, self._keys, self._ttl_ms = stream, keys, ttl_ms

    def ttl(self, time: Any) -> GroupedStream:
        """For agg() and top() without windows: a group is forgotten so long after the last row that changed it (ms or timedelta, by the
        machine's clock), and begins anew with the next one."""
        from headrace.windows import milliseconds

        return GroupedStream(self._stream, self._keys, milliseconds("ttl", time, 1))

    def _whole(self) -> WindowedStream:
        return WindowedStream(self._stream, self._keys, None)._changed(_ttl_ms=self._ttl_ms)

    def process(self, function: KeyedProcessFunction[Any, U], *, returns: Any = None) -> DataStream[U]:
        """As KeyedStream.process(), keyed by the columns: ctx.current_key is the column's value, of several columns a tuple."""
        from headrace.process import process

        return process(self._keyed(), function, returns)

    def connect(self, other: KeyedStream[Any] | GroupedStream) -> ConnectedStreams:
        """As KeyedStream.connect(); both are keyed by as many columns, of the same types."""
        from headrace.process import connect

        return connect(self._keyed(), other)

    def _keyed(self) -> Keyed:
        from headrace.process import Keyed

        return Keyed(self._stream, self._keys)

    def window(self, window: Window) -> WindowedStream:
        """The groups by window."""
        from headrace.windows import Window

        if not isinstance(window, Window):
            raise JobTypeError(
                f"window ({here()}): it takes a window such as TumblingWindow(10_000), not {type(window).__name__}"
            )
        return WindowedStream(self._stream, self._keys, window)._changed(_ttl_ms=self._ttl_ms)

    def agg(self, **calls: Aggregate) -> DataStream[Any]:
        """Keys and aggregates, kept over the whole stream: the groups that a batch changed come again with their new values."""
        return self._whole().agg(**calls)

    def top(self, n: int, *, by: str | list[str], descending: bool = True, ties: bool = False, rank: str = "") -> DataStream[Any]:
        """The first n rows of each group by a column's order. Behind a windowed aggregate, of each group and window.

        ties: rows equal to the last one come too. rank: name of a column for the place, from 1.
        """
        return self._whole().top(n, by=by, descending=descending, ties=ties, rank=rank)


class WindowedStream:
    """Typed rows grouped by columns and window."""

    def __init__(self, stream: DataStream[Any], keys: tuple[str, ...], window: Window | None) -> None:
        self._stream, self._keys, self._window = stream, keys, window
        self._lateness_ms = self._ttl_ms = 0
        self._late_tag = ""
        self._early_ms = self._early_rows = 0
        self._late_every_row = self._by_function = False
        self._trigger: Trigger | WindowTrigger | None = None

    def _changed(self, **values: Any) -> WindowedStream:
        changed = WindowedStream(self._stream, self._keys, self._window)
        changed.__dict__.update(self.__dict__, **values)
        return changed

    def allowed_lateness(self, lateness: Any) -> WindowedStream:
        """Rows up to so much behind the watermark (ms or timedelta) still count: their window comes again with its new values."""
        from headrace.windows import milliseconds

        return self._changed(_lateness_ms=milliseconds("allowed_lateness", lateness))

    def late_to(self, tag: str) -> WindowedStream:
        """Rows that come too late go to a side output: side_output(tag) of the result. Without it they are counted and dropped."""
        return self._changed(_late_tag=check_label("late_to", "the tag", tag))

    def early_every(self, interval: Any = 0, *, rows: int = 0) -> WindowedStream:
        """Emits windows before they are complete: those that have changed, every interval (ms or timedelta, by the clock), or a group
        of a window at every so many of its rows. They come again, with all their rows, when they are complete."""
        from headrace.windows import milliseconds

        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise JobValueError(f"early_every ({here()}): rows is {rows!r}; it takes an int, 1 or more")
        return self._changed(_early_ms=milliseconds("early_every", interval), _early_rows=rows)

    def trigger(self, trigger: Trigger | WindowTrigger) -> WindowedStream:
        """Emits a group of a window at the rows for which the trigger holds, besides at the window's end:
        trigger(Trigger.any_of(Trigger.when(col("urgent")), Trigger.every_rows(100))). Or when a WindowTrigger, written in Python, says so."""
        from headrace.window_triggers import WindowTrigger
        from headrace.windows import Trigger

        if not isinstance(trigger, (Trigger, WindowTrigger)):
            raise JobTypeError(
                f"trigger ({here()}): it takes a trigger such as Trigger.every_rows(100), not {type(trigger).__name__}"
            )
        return self._changed(_trigger=trigger)

    def late_every_row(self) -> WindowedStream:
        """Within the allowed lateness a window comes again for each late row, not once for all late rows of a batch."""
        return self._changed(_late_every_row=True)

    def agg(self, **calls: Aggregate) -> DataStream[Any]:
        """One row a group and window: the keys, window_start, window_end, and the aggregates."""
        from headrace.accumulators import UserAggregate, aggregate_with
        from headrace.relational import AggregateSpec
        from headrace.windows import Trigger

        if self._trigger is not None and not isinstance(self._trigger, Trigger) and not self._by_function:
            from headrace.window_triggers import triggered

            return self._changed(_stream=triggered(self), _by_function=True).agg(**calls)
        if any(isinstance(call, UserAggregate) for call in calls.values()):
            return aggregate_with(self, calls)
        result = self._stream._relational("aggregate", AggregateSpec.of(self, calls))
        if self._late_tag:
            result._sides[self._late_tag] = result._operator
        return result

    def process(self, function: Any, *, returns: Any = None, agg: Mapping[str, Aggregate] | None = None) -> DataStream[Any]:
        """Runs a ProcessWindowFunction, or a function of (key, window, rows), once for each group and window that comes.

        agg: aggregates by name; the function then gets one row, with their values, and the window's rows are not kept.
        returns: as for map(). The rows it gives have the event time of the window's end - 1 ms.
        """
        from headrace.window_process import process_windows

        return process_windows(self, function, returns, agg)

    def top(self, n: int, *, by: str | list[str], descending: bool = True, ties: bool = False, rank: str = "") -> DataStream[Any]:
        """The first n rows of each group and window by a column's order; the windows' bounds come with them."""
        from headrace.relational import TopSpec

        return self._stream._relational("top", TopSpec.of(self, n, by, descending, ties, rank))
