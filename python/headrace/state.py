"""State of keys, for process functions: ValueState, ReducingState, AggregatingState; ListState and MapState are in element_states.

A function declares its states as attributes, in its class or its ``__init__``; inside ``process()`` and ``on_timer()`` they hold what belongs
to the current key. The engine keeps them and sends them along with the rows: reading or writing one calls nothing outside.
What a state holds may be anything that can be a row (docs/formats/value.md); change it with update(), not in place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from struct import Struct
from typing import Any, Generic, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

_STAMP = Struct("<q")
_UNREAD: Any = type("Unread", (), {})()
#: Stands for "nothing there"; None is a value.
_NOTHING: Any = type("Nothing", (), {})()


class StateTtl:
    """How long state lives: `time` (ms or timedelta) of processing time behind its last write, or with refresh="read" its last read or write.
    Elements of lists and entries of maps each have their own time. State that is over reads as if it had never been."""

    __slots__ = ("on_read", "ttl_ms")

    def __init__(self, time: int | timedelta, *, refresh: str = "write") -> None:
        from headrace.windows import milliseconds

        self.ttl_ms = milliseconds("StateTtl", time, 1)
        if refresh not in ("write", "read"):
            raise JobValueError(f"StateTtl ({here()}): refresh is {refresh!r}; it takes 'write' or 'read'")
        self.on_read = refresh == "read"


class _Unbound:
    """What a state is bound to outside a call."""

    @property
    def group(self) -> int:
        raise RuntimeError("a state belongs to a key: it can be used in process() and on_timer() only")


class State:
    """A named state of each key. Made unbound; a worker binds a copy of it to the keys of the batch in hand."""

    kind = 0

    def __init__(self, name: str, ttl: StateTtl | int | timedelta | None = None) -> None:
        what = type(self).__name__
        if not isinstance(name, str):
            raise JobTypeError(f"{what} ({here()}): its name is a str, not {type(name).__name__}")
        if not name or len(name.encode()) > 200 or not name.isprintable():
            raise JobValueError(f"{what} ({here()}): its name has 1 to 200 printable bytes, not {name[:40]!r}")
        self.name = name
        self.ttl = ttl if ttl is None or isinstance(ttl, StateTtl) else StateTtl(ttl)
        self._cursor: Any = _Unbound()
        self._held: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_cursor", "_held", "_raw", "_changed", "_encode", "_decode")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cursor, self._held = _Unbound(), []

    # ---- the worker's side ----

    def _bind(self, cursor: Any) -> None:
        from headrace import codec

        self._cursor, self._encode, self._decode = cursor, codec.encode, codec.decode
        self._begin([])

    def _begin(self, raw: list[Any]) -> None:
        """States of the keys of a batch, by group: bytes, decoded once they are read."""
        self._raw: list[bytes | None] = raw
        self._held = [_UNREAD] * len(raw)
        self._changed: set[int] = set()

    def _finish(self) -> tuple[list[int], list[Any]]:
        """Groups that changed and their states, as bytes or for the block to encode; None: it has none any more."""
        groups = sorted(self._changed)
        return groups, [self._bytes(group) for group in groups]

    def _bytes(self, group: int) -> bytes | None:
        held = self._held[group]
        if held is _UNREAD:
            return self._raw[group]
        payload = self._payload(held)
        if payload is None:
            return None
        encoded: bytes = self._encode(payload)
        return encoded if self.ttl is None else _STAMP.pack(self._newest(held)) + encoded

    def _read(self) -> Any:
        """What the current key holds, decoded once a batch."""
        group = self._cursor.group
        held = self._held[group]
        if held is _UNREAD:
            raw = self._raw[group]
            held = self._held[group] = self._nothing() if raw is None else self._opened(raw, group)
        return held

    def _write(self, held: Any) -> None:
        group = self._cursor.group
        self._held[group] = held
        self._changed.add(group)

    def _touch(self) -> None:
        self._changed.add(self._cursor.group)

    def clear(self) -> None:
        """Forgets what the current key holds."""
        self._write(self._nothing())

    # ---- by kind ----

    def _nothing(self) -> Any:
        raise NotImplementedError

    def _opened(self, raw: bytes, group: int) -> Any:
        raise NotImplementedError

    def _payload(self, held: Any) -> Any:
        """What is encoded; None: nothing is held."""
        raise NotImplementedError

    def _newest(self, held: Any) -> int:
        raise NotImplementedError


class _Single(State):
    """One value. Without a TTL it comes decoded with the batch and goes back as it is, in a tuple: a bare None would be no state."""

    def _begin(self, raw: list[Any]) -> None:
        if self.ttl is not None:
            return super()._begin(raw)
        self._held = [_NOTHING if held is None else held[0] for held in raw]
        self._changed = set()

    def _finish(self) -> tuple[list[int], list[Any]]:
        if self.ttl is not None:
            return super()._finish()
        groups, all_held = sorted(self._changed), self._held
        return groups, [None if all_held[group] is _NOTHING else (all_held[group],) for group in groups]

    def _nothing(self) -> Any:
        return _NOTHING

    def _opened(self, raw: bytes, group: int) -> Any:
        stamp = _STAMP.unpack_from(raw)[0]
        if self.ttl is not None and self._cursor.now - stamp >= self.ttl.ttl_ms:
            self._changed.add(group)
            return _NOTHING
        return self._decode(raw[8:])[0]

    def _payload(self, held: Any) -> Any:
        return None if held is _NOTHING else (held,)

    def _newest(self, held: Any) -> int:
        now: int = self._cursor.now
        return now

    def _current(self) -> Any:
        if self.ttl is None:
            return self._held[self._cursor.group]
        held = self._read()
        if self.ttl.on_read and held is not _NOTHING:
            self._touch()
        return held


class ValueState(_Single, Generic[T]):
    """One value a key. default: what value() gives while there is none."""

    kind = 1

    def __init__(self, name: str, *, default: T | None = None, ttl: StateTtl | int | timedelta | None = None) -> None:
        super().__init__(name, ttl)
        self.default = default

    def value(self) -> T | Any:
        """The key's value, or the default."""
        held = self._held[self._cursor.group] if self.ttl is None else self._current()
        return self.default if held is _NOTHING else held

    def update(self, value: T) -> None:
        """Replaces it."""
        group = self._cursor.group
        self._held[group] = value
        self._changed.add(group)


class ReducingState(_Single, Generic[T]):
    """One value a key, into which others are folded: function(value so far, added) -> value."""

    kind = 4

    def __init__(self, name: str, function: Callable[[T, T], T], *, ttl: StateTtl | int | timedelta | None = None) -> None:
        super().__init__(name, ttl)
        if not callable(function):
            raise JobTypeError(f"ReducingState ({here()}): it takes a function of two values, not {type(function).__name__}")
        self.function = function

    def get(self) -> T | None:
        """The value so far; None before the first."""
        held = self._current()
        return None if held is _NOTHING else held

    def add(self, value: T) -> None:
        """Folds a value in."""
        held = self._read()
        self._write(value if held is _NOTHING else self.function(held, value))


class AggregateFunction(Generic[T, A, R]):
    """How AggregatingState gathers values of type T in an accumulator A and gives a result R."""

    def create_accumulator(self) -> A:
        """An accumulator of nothing."""
        raise NotImplementedError

    def add(self, value: T, accumulator: A) -> A:
        """The accumulator with the value."""
        raise NotImplementedError

    def get_result(self, accumulator: A) -> R:
        """What the accumulator stands for."""
        raise NotImplementedError

    def merge(self, a: A, b: A) -> A:
        """One accumulator of two; for windows that share rows and for sessions only. a has the earlier rows."""
        raise NotImplementedError


class AggregatingState(_Single, Generic[T, R]):
    """An accumulator a key, by an AggregateFunction."""

    kind = 5

    def __init__(
        self, name: str, function: AggregateFunction[T, Any, R], *, ttl: StateTtl | int | timedelta | None = None
    ) -> None:
        super().__init__(name, ttl)
        for method in ("create_accumulator", "add", "get_result"):
            if not callable(getattr(function, method, None)):
                raise JobTypeError(
                    f"AggregatingState ({here()}): it takes an AggregateFunction; {type(function).__name__} has no {method}()"
                )
        self.function = function

    def get(self) -> R | None:
        """The result so far; None before the first value."""
        held = self._current()
        return None if held is _NOTHING else self.function.get_result(held)

    def add(self, value: T) -> None:
        """Adds a value."""
        held = self._read()
        self._write(self.function.add(value, self.function.create_accumulator() if held is _NOTHING else held))


def states_of(function: Any) -> dict[str, State]:
    """The states that a function declares, by attribute. JobValueError when two have one name."""
    found: dict[str, State] = {}
    for cls in reversed(type(function).__mro__):
        found.update({name: value for name, value in vars(cls).items() if isinstance(value, State)})
    found.update({name: value for name, value in getattr(function, "__dict__", {}).items() if isinstance(value, State)})
    by_name: dict[str, str] = {}
    for attribute, state in found.items():
        other = by_name.setdefault(state.name, attribute)
        if other != attribute and found[other] is not state:
            raise JobValueError(
                f"process ({here()}): the states {other} and {attribute} of {type(function).__qualname__} have the same name {state.name!r}"
            )
    return found
