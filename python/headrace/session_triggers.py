"""Triggers written in Python over session windows: sessions grow with their rows, and become one where a row lies between two."""

from __future__ import annotations

from typing import Any

from headrace.window_triggers import _ADD, _LATE, _MERGE, _NEVER, Triggered, TriggerWindow
from headrace.worker_errors import AtValue


class TriggeredSessions(Triggered):
    """Sessions of a key stand in the state by their start; an entry has the end, and the timer that it waits for, behind what windows have.

    A session has one timer at a time, which looks whether it has grown since, so that its rows need none. The aggregate knows a session by its start:
    it is told when that changes, as when two become one.
    """

    def __init__(self, trigger: Any, window: Any, lateness_ms: int, keys: tuple[str, ...]) -> None:
        super().__init__(trigger, window, lateness_ms, keys)
        self.gap = window._values["gap_ms"]

    def process_rows(self, rows: list[Any], groups: list[int], times: Any, ctx: Any) -> list[tuple[int | None, Any]]:
        by_group: dict[int, list[int]] = {}
        for at, group in enumerate(groups):
            by_group.setdefault(group, []).append(at)
        out: list[tuple[int | None, Any]] = []
        for group, places in by_group.items():
            ctx.group = group
            _Sessions(self, rows, times, ctx, out).take(places)
        return out

    def await_end(self, entry: list[Any], ctx: Any) -> None:
        """Sees that a timer comes when the session ends, or goes, as it stands."""
        now = self._now(ctx)
        due = entry[4] if self.by_clock else entry[4] - 1 if entry[4] - 1 > now else entry[4] - 1 + self.lateness_ms
        if entry[5] is None and self.by_clock:
            ctx.timers.register_event_time(_NEVER)  # the end of a bounded input completes it
        if entry[5] is None or due < entry[5] or entry[5] <= now:
            self._wait(entry, due, ctx)

    def merge(self, window: TriggerWindow, other: dict[Any, Any]) -> None:
        """Two sessions have become one."""
        try:
            self.trigger.on_merge(window, other)
        except BaseException as error:
            raise AtValue(window) from error

    def _wait(self, entry: list[Any], due: int, ctx: Any) -> None:
        (ctx.timers.register_processing_time if self.by_clock else ctx.timers.register_event_time)(due)
        entry[5] = due

    def _reached(self, name: Any, entry: list[Any], time: int, ctx: Any) -> tuple[bool, bool]:
        by_event = ctx.timer_is_event_time
        if self.by_clock and by_event:
            return time == _NEVER, time == _NEVER
        if by_event == self.by_clock or time != entry[5]:
            return False, False
        end = entry[4] if self.by_clock else entry[4] - 1
        if time >= end + self.lateness_ms:
            return time == end, True
        self._wait(entry, end if time < end else end + self.lateness_ms, ctx)
        self.windows.put(name, entry)
        return time == end, False

    def _bounds(self, name: Any, entry: list[Any]) -> Any:
        return name, entry[4]


class _Sessions:
    """The sessions of a key, while the rows of a batch go into them."""

    def __init__(self, of: TriggeredSessions, rows: list[Any], times: Any, ctx: Any, out: list[Any]) -> None:
        self.of, self.rows, self.times, self.ctx, self.out = of, rows, times, ctx, out
        self.now = of._now(ctx)
        self.by_start: dict[int, list[Any]] = dict(of.windows.items())
        self.waiting: dict[int, list[tuple[int, int]]] = {}  # by start: rows that the trigger has not seen, and the end at each

    def take(self, places: list[int]) -> None:
        of = self.of
        for at in places:
            time = self.ctx.now if of.by_clock else self.times[at]
            if time is None:
                raise AtValue(None) from ValueError("rows without event times reached an event-time window")
            end = time + of.gap
            met = sorted(start for start, entry in self.by_start.items() if start - of.gap <= time <= entry[4])
            if met:
                start = self._joined(met, min(time, met[0]), at, end)
            elif end - 1 + of.lateness_ms <= self.now:
                self.out.append((self.times[at], of._row(self.rows[at], (time, end), _LATE)))
                continue
            else:
                start = time
                self.by_start[start] = [*of._entry(self.rows[at]), end, None]
            entry = self.by_start[start]
            of.await_end(entry, self.ctx)
            self.waiting.setdefault(start, []).append((at, entry[4]))
        for start in list(self.waiting):
            self._show(start)

    def _joined(self, met: list[int], start: int, at: int, end: int) -> int:
        """A row that comes to one session, or makes one of two; or begins one earlier."""
        of, ctx = self.of, self.ctx
        if start == met[-1]:
            entry = self.by_start[start]
            entry[4] = max(entry[4], end)
            return start
        for each in met:
            self._show(each)
        entries = [self.by_start.pop(each) for each in met]
        entry = self.by_start[start] = entries[0]
        entry[4] = max(end, *(each[4] for each in entries))
        for each in met:
            if each != start:
                of.windows.remove(each)
                self.out.append((self.times[at], of._command(entry, (start, each), _MERGE)))
        for other in entries[1:]:
            for clock in (1, 2):
                entry[clock] += [time for time in other[clock] if time not in entry[clock]]
            entry[5] = min(entry[5], other[5])
            of.merge(of._window((start, entry[4]), entry, ctx, self.now), other[0])
        return start

    def _show(self, start: int) -> None:
        """Asks the trigger about the rows that it has not seen."""
        of, entry = self.of, self.by_start[start]
        waiting = self.waiting.pop(start, [])
        if not waiting:
            return
        chosen = [self.rows[at] for at, _ in waiting]
        results = of._results(chosen, of._window((start, entry[4]), entry, self.ctx, self.now))
        of.windows.put(start, entry)
        for (at, end), row, result in zip(waiting, chosen, results):
            self.out.append((self.times[at], of._row(row, (start, end), _ADD | result)))
