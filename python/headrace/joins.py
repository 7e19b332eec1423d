"""Joins and deduplication: what DataStream.join() and deduplicate() write into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.relational import Pickle, column_name

if TYPE_CHECKING:
    from headrace.windows import Window

KINDS = {"inner": 0, "left": 1, "right": 2, "full": 3, "semi": 4, "anti": 5}
_NONE, _WINDOW, _INTERVAL, _VERSION = 0, 1, 2, 3


class JoinSpec:
    """Pairs of rows of two streams with equal keys."""

    def __init__(
        self, left: list[str], right: list[str], how: str, bound: int, window: Window | None, interval: tuple[int, int], ttl: tuple[int, int], suffix: str, late: tuple[str, str]
    ) -> None:  # fmt: skip
        self._left, self._right, self._how, self._bound = left, right, how, bound
        self._window, self._interval, self._ttl, self._suffix, self._late = window, interval, ttl, suffix, late
        self._by_arrival = False  # versions by processing time

    @classmethod
    def of(cls, on: Any, how: Any, window: Any, between: Any, as_of: Any, ttl: Any, suffix: Any, late: Any = None) -> JoinSpec:
        from headrace.windows import Window

        left, right = _keys(on)
        if how not in KINDS:
            raise JobValueError(f"join ({here()}): how is {how!r}; it is one of {', '.join(KINDS)}")
        if window is not None and not isinstance(window, Window):
            raise JobTypeError(
                f"join ({here()}): window takes a window such as TumblingWindow(10_000), not {type(window).__name__}"
            )
        if not isinstance(suffix, str) or not suffix:
            raise JobTypeError(f"join ({here()}): suffix takes text that is added to names, not {suffix!r}")
        if as_of not in (False, True, "event_time", "processing_time"):
            raise JobTypeError(f'join ({here()}): as_of takes True ("event_time") or "processing_time", not {as_of!r}')
        if sum((window is not None, between is not None, bool(as_of))) > 1:
            raise JobValueError(f"join ({here()}): it takes one of window, between and as_of")
        bound = _WINDOW if window is not None else _INTERVAL if between is not None else _VERSION if as_of else _NONE
        made = cls(left, right, how, bound, window, _interval(between), _ttl(ttl), suffix, _late(late))
        made._by_arrival = as_of == "processing_time"
        return made

    def fill(self, message: Any, pickle: Pickle) -> None:
        out = message.join
        out.kind, out.bound, out.suffix = KINDS[self._how], self._bound, self._suffix
        out.left_keys.extend(self._left)
        out.right_keys.extend(self._right)
        if self._window is not None:
            self._window.fill(out.window)
        if self._by_arrival:
            out.window.processing_time = True
        out.lower_ms, out.upper_ms = self._interval
        out.left_ttl_ms, out.right_ttl_ms = self._ttl
        out.left_late_tag, out.right_late_tag = self._late


def _keys(on: Any) -> tuple[list[str], list[str]]:
    """Names that both sides have, or pairs of a left and a right one."""
    pairs = [on] if isinstance(on, str) or not isinstance(on, (list, tuple)) else list(on)
    left, right = [], []
    for pair in pairs:
        if isinstance(pair, tuple):
            if len(pair) != 2:
                raise JobTypeError(f"join ({here()}): on takes names, or pairs of a left and a right name, not {pair!r}")
            left.append(column_name("join", pair[0]))
            right.append(column_name("join", pair[1]))
        else:
            left.append(column_name("join", pair))
            right.append(left[-1])
    if not left:
        raise JobValueError(f"join ({here()}): on takes at least one column")
    return left, right


def _interval(between: Any) -> tuple[int, int]:
    from headrace.windows import milliseconds

    if between is None:
        return 0, 0
    if not isinstance(between, (tuple, list)) or len(between) != 2:
        raise JobTypeError(
            f"join ({here()}): between takes two bounds in ms or as timedelta, as in between=(-5000, 10000), not {between!r}"
        )
    lower, upper = (milliseconds("join: between", bound, -(2**62)) for bound in between)
    if lower > upper:
        raise JobValueError(
            f"join ({here()}): the interval from {lower} ms to {upper} ms is empty; the first bound is the lower one"
        )
    return lower, upper


def _ttl(ttl: Any) -> tuple[int, int]:
    from headrace.windows import milliseconds

    if ttl is None:
        return 0, 0
    if isinstance(ttl, (tuple, list)):
        if len(ttl) != 2:
            raise JobTypeError(f"join ({here()}): ttl takes one time, or one for each side, not {ttl!r}")
        left, right = (0 if time is None else milliseconds("join: ttl", time, 1) for time in ttl)
        return left, right
    ms = milliseconds("join: ttl", ttl, 1)
    return ms, ms


def _late(tags: Any) -> tuple[str, str]:
    from headrace.stream import check_label

    if tags is None:
        return "", ""
    if not isinstance(tags, (tuple, list)) or len(tags) != 2:
        raise JobTypeError(
            f'join ({here()}): late_to takes a tag for each side, or None, as in ("late_left", None), not {tags!r}'
        )
    left, right = ("" if tag is None else check_label("join", "a tag of late_to", tag) for tag in tags)
    return left, right


class DeduplicateSpec:
    """One row a key."""

    def __init__(self, keys: list[str], last: bool, by_event_time: bool, ttl_ms: int) -> None:
        self._keys, self._last, self._by_event_time, self._ttl_ms = keys, last, by_event_time, ttl_ms

    @classmethod
    def of(cls, columns: tuple[Any, ...], keep: Any, by: Any, ttl: Any = None) -> DeduplicateSpec:
        from headrace.windows import milliseconds

        keys = [column_name("deduplicate", column) for column in columns]
        if not keys:
            raise JobValueError(f"deduplicate ({here()}): it takes the columns by which rows are the same")
        if keep not in ("first", "last"):
            raise JobValueError(f'deduplicate ({here()}): keep is {keep!r}; it is "first" or "last"')
        if by not in ("arrival", "event_time"):
            raise JobValueError(f'deduplicate ({here()}): by is {by!r}; it is "arrival" or "event_time"')
        ttl_ms = 0 if ttl is None else milliseconds("deduplicate: ttl", ttl, 1)
        return cls(keys, keep == "last", by == "event_time", ttl_ms)

    def fill(self, message: Any, pickle: Pickle) -> None:
        out = message.deduplicate
        out.keys.extend(self._keys)
        out.last, out.by_event_time, out.ttl_ms = self._last, self._by_event_time, self._ttl_ms
