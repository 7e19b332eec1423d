"""Triggers written in Python: code that says when a group of a window comes, and when its rows go.

class Quiet(WindowTrigger):
    def on_rows(self, rows, window):
        window.state["last"] = max(row["t"] for row in rows)
        return TriggerResult.FIRE if any(row["urgent"] for row in rows) else TriggerResult.CONTINUE

bids.group_by("auction").window(TumblingWindow(60_000)).trigger(Quiet()).agg(n=count())
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

from headrace.element_states import MapState
from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.process import KeyedProcessFunction
from headrace.worker_errors import AtValue

if TYPE_CHECKING:
    from headrace.grouped_stream import WindowedStream
    from headrace.process import Context
    from headrace.stream import DataStream
    from headrace.windows import Window

_SESSION, _CUMULATE, _GLOBAL, _COUNT = 3, 4, 5, 6
#: The key of windows without keys; the engine leaves it out of what comes.
_ONE_KEY = "window_key"
#: What a row that the trigger gives says to the aggregate behind it.
_ADD, _CLOSE, _LATE, _MERGE = 1, 8, 16, 32
_NEVER = 2**63 - 2


class TriggerResult(IntFlag):
    """What becomes of a group of a window."""

    CONTINUE = 0  #: nothing
    FIRE = 2  #: it comes, with the rows it has
    PURGE = 4  #: its rows go
    FIRE_AND_PURGE = 6  #: it comes, and begins anew


class TriggerWindow:
    """A group of a window, as a trigger sees it. Valid during the call.

    key: of group_by(), of several columns a tuple, without columns None. start, end: ms since 1970, the end exclusive; None for the global
    window. state: a dict of the trigger's own for this group and window; it holds anything that can be a row, and goes with the window.
    """

    def __init__(self, key: Any, start: int | None, end: int | None, entry: list[Any], ctx: Context, now: int) -> None:
        self.key, self.start, self.end, self.state = key, start, end, entry[0]
        self._entry, self._ctx, self._now = entry, ctx, now

    @property
    def is_over(self) -> bool:
        """Whether the watermark, or the timer that fires, has reached the window's end; of processing-time windows the clock; of the global
        window the end of the input."""
        return self._now >= (_NEVER if self.end is None else self.end - 1)

    @property
    def watermark(self) -> int | None:
        """The last watermark, in ms; None before the first."""
        return self._ctx.timers.current_watermark

    @property
    def processing_time(self) -> int:
        """The machine's clock in ms, as it was when the rows were sent."""
        return self._ctx.timers.current_processing_time

    def register_event_time(self, time: int) -> None:
        """Calls on_event_time() once the watermark reaches the time."""
        self._register(1, time, self._ctx.timers.register_event_time)

    def register_processing_time(self, time: int) -> None:
        """Calls on_processing_time() once the clock reaches the time. What is left at the end of a bounded input does not come."""
        self._register(2, time, self._ctx.timers.register_processing_time)

    def delete_event_time(self, time: int) -> None:
        """Takes back what register_event_time() has asked for."""
        self._entry[1] = [other for other in self._entry[1] if other != time]

    def delete_processing_time(self, time: int) -> None:
        """Takes back what register_processing_time() has asked for."""
        self._entry[2] = [other for other in self._entry[2] if other != time]

    def _register(self, kind: int, time: int, register: Any) -> None:
        register(time)
        if time not in self._entry[kind]:
            self._entry[kind].append(time)

    def __repr__(self) -> str:
        return f"TriggerWindow(key={self.key!r}, start={self.start}, end={self.end})"


class WindowTrigger:
    """Code that says when groups of windows come. Nothing comes but by it, save that it is always asked when a window ends.

    One instance runs for each subtask; what it keeps itself is not saved, window.state is. An exception fails the job with the rows and line.
    """

    def on_rows(self, rows: list[Any], window: TriggerWindow) -> TriggerResult | list[TriggerResult]:
        """Called once for each batch and group of a window that has rows in it, in the order of arrival. One answer counts behind the last of
        the rows; a list has one for each of them, so that it does not matter how rows are cut into batches. Late rows within the allowed lateness come
        here only: window.is_over."""
        return TriggerResult.FIRE if window.is_over else TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: TriggerWindow) -> TriggerResult:
        """Called when the watermark reaches a time that was registered, and at the end of each window, end - 1, in any case, unless the
        window's first row is a late one. The rows go once the window is over and the allowed lateness too."""
        return TriggerResult.FIRE if window.is_over else TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: TriggerWindow) -> TriggerResult:
        """Called when the clock reaches a time that was registered; of processing-time windows at the end, with end - 1, in any case."""
        return TriggerResult.FIRE if window.is_over else TriggerResult.CONTINUE

    def on_merge(self, window: TriggerWindow, other: dict[Any, Any]) -> None:
        """Called when a row makes one session of two, before on_rows() gets it. window.state is what the earlier one kept, and goes on; other
        is what the later one kept. Times that either has registered stay so. Session windows take no trigger without it."""


class Triggered(KeyedProcessFunction[Any, Any]):
    """The process function that gives rows by window, with what the trigger says; the aggregate behind it does so.

    An entry of a window is a list: the trigger's state, the times of each clock that it has registered, and the key's columns.
    """

    windows = MapState[Any, Any]("windows")

    def __init__(self, trigger: WindowTrigger, window: Window, lateness_ms: int, keys: tuple[str, ...]) -> None:
        values = window._values
        self.trigger, self.kind, self.by_clock, self.lateness_ms, self.keys = (
            trigger,
            window._kind,
            window._processing,
            lateness_ms,
            keys,
        )
        self.size, self.slide = values.get("size_ms", 0), values.get("slide_ms", 0)
        self.offset = values.get("offset_ms", 0)
        self.names: list[str] = []  # of the rows that come out; set by the worker

    def of_time(self, time: int | None) -> list[Any]:
        """The windows that hold a row, by start and end; [None]: the global one."""
        if self.kind == _GLOBAL:
            return [None]
        if time is None:
            raise AtValue(None) from ValueError("rows without event times reached an event-time window")
        if self.kind == _CUMULATE:
            start = time - time % self.size
            first = time - time % self.slide + self.slide
            return [(start, end) for end in range(first, start + self.size + 1, self.slide)]
        last = time - (time - self.offset) % self.slide
        return [(start, start + self.size) for start in range(last, time - self.size, -self.slide)][::-1]

    def process_rows(self, rows: list[Any], groups: list[int], times: Any, ctx: Any) -> list[tuple[int | None, Any]]:
        """All rows of a batch at once: (time, row) of each that goes on."""
        out: list[tuple[int | None, Any]] = []
        by_window: dict[tuple[int, Any], list[int]] = {}
        now = self._now(ctx)
        for at, (group, time) in enumerate(zip(groups, times)):
            windows = self.of_time(ctx.now if self.by_clock else time)
            open_ones = [w for w in windows if w is None or w[1] - 1 + self.lateness_ms > now]
            if not open_ones:
                out.append((time, self._row(rows[at], windows[-1], _LATE)))
            for window in open_ones:
                by_window.setdefault((group, window), []).append(at)
        for (group, window), places in by_window.items():
            ctx.group = group
            entry = self.windows.get(window)
            if entry is None:
                entry = self._entry(rows[places[0]])
                self._await_end(window, ctx, now)
            chosen = [rows[at] for at in places]
            results = self._results(chosen, self._window(window, entry, ctx, now))
            self.windows.put(window, entry)
            for at, row, result in zip(places, chosen, results):
                out.append((times[at], self._row(row, window, _ADD | result)))
        return out

    def on_timer(self, time: int, ctx: Any) -> list[Any]:
        out: list[Any] = []
        by_event = ctx.timer_is_event_time
        clock = 1 if by_event else 2
        for name, entry in self.windows.items():
            ends, closes = self._reached(name, entry, time, ctx)
            asked = time in entry[clock]
            result = 0
            if ends or asked:
                entry[clock] = [other for other in entry[clock] if other != time]
                window = self._bounds(name, entry)
                shown = self._window(window, entry, ctx, self._now(ctx, time))
                call = self.trigger.on_event_time
                if not by_event or (ends and self.by_clock):
                    call = self.trigger.on_processing_time
                result = self._checked(call(window[1] - 1 if ends and window is not None else time, shown), call)
            if closes:
                self.windows.remove(name)
            elif ends or asked:
                self.windows.put(name, entry)
            action = result | (_CLOSE if closes else 0)
            if action:
                out.append(self._command(entry, self._bounds(name, entry), action))
        return out

    def _now(self, ctx: Any, time: int | None = None) -> int:
        """The last moment that has passed for the windows, of either clock; time: of the timer that fires."""
        if not self.by_clock:
            return ctx.watermark if time is None or not ctx.timer_is_event_time else time
        if time is None or ctx.timer_is_event_time:
            return _NEVER if time == _NEVER else ctx.now - 1
        return time - 1

    def _entry(self, first: Any) -> list[Any]:
        # Rows that only say something have the key as it came: states' keys are equal to it, but may be of another type.
        return [{}, [], [], [first[k] if isinstance(first, dict) else getattr(first, k) for k in self.keys]]

    def _await_end(self, window: Any, ctx: Any, now: int) -> None:
        """Registers the times at which a new window ends and goes."""
        if window is None:
            ctx.timers.register_event_time(_NEVER)
        elif self.by_clock:
            ctx.timers.register_processing_time(window[1])
            ctx.timers.register_event_time(_NEVER)  # the end of a bounded input completes it
        else:
            if window[1] - 1 > now:
                ctx.timers.register_event_time(window[1] - 1)
            if self.lateness_ms:
                ctx.timers.register_event_time(window[1] - 1 + self.lateness_ms)

    def _reached(self, name: Any, entry: list[Any], time: int, ctx: Any) -> tuple[bool, bool]:
        """Whether a timer ends a window, and whether it goes."""
        by_event = ctx.timer_is_event_time
        if self.by_clock:
            ends = time == _NEVER if by_event else time == name[1]
            return ends, ends
        end = _NEVER if name is None else name[1] - 1
        return by_event and time == end, by_event and time >= end + self.lateness_ms

    def _bounds(self, name: Any, entry: list[Any]) -> Any:
        """The window of an entry."""
        return name

    def _window(self, window: Any, entry: list[Any], ctx: Any, now: int) -> TriggerWindow:
        start, end = window or (None, None)
        return TriggerWindow(ctx.current_key if self.keys else None, start, end, entry, ctx, now)

    def _results(self, rows: list[Any], window: TriggerWindow) -> list[int]:
        try:
            result = self.trigger.on_rows(rows, window)
            if isinstance(result, list):
                if len(result) != len(rows):
                    raise ValueError(
                        f"on_rows() gives one result, or a list of one for each row: {len(result)} for {len(rows)} rows"
                    )
                return [self._checked(one, self.trigger.on_rows) for one in result]
            return [0] * (len(rows) - 1) + [self._checked(result, self.trigger.on_rows)]
        except BaseException as error:
            raise AtValue(rows) from error

    @staticmethod
    def _checked(result: Any, call: Any) -> int:
        if not isinstance(result, TriggerResult):
            raise TypeError(f"{call.__name__}() gives a TriggerResult, not {result!r}")
        return int(result)

    def _row(self, row: Any, window: Any, action: int) -> dict[str, Any]:
        names = self.names[:-3]
        made = dict(row) if isinstance(row, dict) else {name: getattr(row, name) for name in names}
        return self._marked(made, window, action)

    def _command(self, entry: list[Any], window: Any, action: int) -> dict[str, Any]:
        made = dict.fromkeys(self.names[:-3])
        made.update(zip(self.keys, entry[3]))
        return self._marked(made, window, action)

    def _marked(self, made: dict[str, Any], window: Any, action: int) -> dict[str, Any]:
        start, end = window or (0, 0)
        made[self.names[-3]], made[self.names[-2]], made[self.names[-1]] = start, end, int(action)
        return made


def triggered(windowed: WindowedStream) -> DataStream[Any]:
    """The stream that goes into the aggregate behind a trigger of the user's: rows by window, with what it says."""
    from headrace.expressions import lit
    from headrace.process import Keyed, Process
    from headrace.relational import Select
    from headrace.session_triggers import TriggeredSessions
    from headrace.stream import DataStream, Operator

    window, keys = windowed._window, windowed._keys
    trigger: Any = windowed._trigger
    name = type(trigger).__qualname__.rpartition(".")[2]
    if window is None:
        raise JobValueError(f"trigger ({here()}): {name} needs a window: group_by(…).window(…).trigger(…)")
    if window._kind == _COUNT:
        raise JobValueError(
            f"trigger ({here()}): {window} comes when it has its rows, which takes no trigger. Count them in window.state of a "
            "GlobalWindow(), and answer FIRE_AND_PURGE"
        )
    if window._kind == _SESSION and type(trigger) is not WindowTrigger and type(trigger).on_merge is WindowTrigger.on_merge:
        raise JobTypeError(
            f"trigger ({here()}): {name} has no on_merge(window, other), which {window} needs: a row may make one session of two, "
            "and the trigger says what becomes of their states"
        )
    if windowed._early_ms or windowed._early_rows or windowed._late_every_row:
        raise JobValueError(
            f"trigger ({here()}): {name} says itself when windows come: leave early_every() and late_every_row() out"
        )
    stream = windowed._stream
    if not keys:
        stream = stream._relational("select", Select.added({_ONE_KEY: lit(0)}))
        stream._operator.parallelism = windowed._stream._operator.parallelism  # rows that are in order stay so
    made = TriggeredSessions if window._kind == _SESSION else Triggered
    function = made(trigger, window, windowed._lateness_ms, keys)
    keyed = Keyed(stream, keys or (_ONE_KEY,))
    spec = Process(function, [keyed.keys], None)
    spec.triggers = True
    return DataStream(stream._env, stream._env._add(Operator("process", name, [keyed.stream._input], spec=spec)))
