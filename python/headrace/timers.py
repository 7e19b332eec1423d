"""Timers of process functions: ctx.timers."""

from __future__ import annotations

from datetime import datetime
from heapq import heappop, heappush
from typing import Any

_REGISTER_EVENT, _DELETE_EVENT, _REGISTER_PROCESSING, _DELETE_PROCESSING = range(4)


class Timers:
    """Timers of the current key. A key has at most one timer for a time: registering it again changes nothing.

    Event-time timers fire once the watermark reaches their time, processing-time timers once the wall clock does; both call
    ``on_timer(time, ctx)``, timers of one key in the order of their times. Times are ms since 1970 UTC, or aware datetimes.
    """

    __slots__ = ("_cursor", "_gone", "_groups", "_kinds", "_later", "_times", "_until")

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._begin()

    def _begin(self) -> None:
        self._groups: list[int] = []
        self._times: list[int] = []
        self._kinds: list[int] = []
        self._until: int | None = None
        self._later: list[tuple[int, int]] = []
        self._gone: set[tuple[int, int]] = set()

    @property
    def current_watermark(self) -> int | None:
        """Event time up to which all rows have come, in ms; None before the first watermark."""
        watermark: int = self._cursor.watermark
        return watermark if watermark > -(2**63) else None

    @property
    def current_processing_time(self) -> int:
        """The wall clock when the batch was sent, in ms."""
        now: int = self._cursor.now
        return now

    def register_event_time(self, time: int | datetime) -> None:
        """Calls on_timer() once the watermark reaches the time; at the next watermark, if it has passed it already."""
        self._add(_REGISTER_EVENT, time)

    def delete_event_time(self, time: int | datetime) -> None:
        """Takes back an event-time timer, if there is one for the time."""
        self._add(_DELETE_EVENT, time)

    def register_processing_time(self, time: int | datetime) -> None:
        """Calls on_timer() once the wall clock reaches the time. Timers that are left at the end of a bounded stream do not fire."""
        self._add(_REGISTER_PROCESSING, time)

    def delete_processing_time(self, time: int | datetime) -> None:
        """Takes back a processing-time timer, if there is one for the time."""
        self._add(_DELETE_PROCESSING, time)

    def _add(self, kind: int, time: Any) -> None:
        if type(time) is not int:
            from headrace.worker_columns import milliseconds

            time = milliseconds(time)
        if not -(2**63) <= time < 2**63:
            raise ValueError(f"a timer's time is ms since 1970 within 64 bits, not {time}")
        group = self._cursor.group
        firing = self._until is not None and kind == self._cursor.firing
        if firing and self._until is not None and time < self._until:
            # Due before the last timer of this slice: it must fire in its turn, not with the next slice.
            self._gone.discard((group, time))
            heappush(self._later, (time, group))
            return
        if self._until is not None and kind == self._cursor.firing + 1 and time <= self._until:
            self._gone.add((group, time))
        self._groups.append(group)
        self._times.append(time)
        self._kinds.append(kind)

    # ---- the worker's side ----

    def _in_order(self, groups: list[int], times: list[int]) -> Any:
        """The timers of a slice, with those that on_timer() adds among them, without those it takes back."""
        self._until = times[-1] if times else None
        at, count = 0, len(times)
        while at < count or self._later:
            if self._later and (at >= count or self._later[0][0] < times[at]):
                time, group = heappop(self._later)
                while self._later and self._later[0] == (time, group):
                    heappop(self._later)
            else:
                time, group = times[at], groups[at]
                at += 1
            if self._gone and (group, time) in self._gone:
                self._gone.discard((group, time))
                continue
            yield time, group
        self._until = None
