"""State of keys that holds many elements: ListState and MapState.

The worker keeps the lists and maps of keys from batch to batch, as the engine does, so that what goes between them is what a batch changed:
an element that is added, an entry that is set. A key that is new to the worker, or that it had to forget, comes whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import unpack_from
from typing import Any, Generic, TypeVar

from headrace.state import State

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

#: What changed of a key's elements, in order: (group, what, number). ADD is followed by so many keys and values, SET by a value.
CLEAR, ADD, SET, REMOVE, REFRESH, REFRESH_ALL = range(6)
Changes = tuple[list[int], list[Any], list[Any]]


class _Kept:
    """What a key holds. raw: how it came, until it is read; changed: since the last trip."""

    __slots__ = ("cleared", "raw", "refreshed")

    def __init__(self, raw: bytes | None) -> None:
        self.raw = raw
        self.cleared = self.refreshed = False

    def _opened(self, state: Elements) -> tuple[Any, list[int]]:
        """The elements as they came, and the times of their last writes, if the state has a time to live."""
        raw, self.raw = self.raw, None
        if raw is None:
            return None, []
        if state.ttl is None:
            return state._decode(raw), []
        count = unpack_from("<Q", raw)[0]
        return state._decode(raw[8 + 8 * count :]), list(unpack_from(f"<{count}q", raw, 8))


class _KeptList(_Kept):
    """items: the values; with a time to live (time, value) pairs, the oldest first. added: of them, those that the engine has not."""

    __slots__ = ("added", "items")

    def __init__(self, raw: bytes | None) -> None:
        super().__init__(raw)
        self.items: list[Any] = []
        self.added = 0


class _KeptMap(_Kept):
    """items: the values by key; with a time to live (time, value) pairs. numbers: those under which the engine knows the entries, next the next.
    dirty: entries that changed; True: their value did. removed: numbers."""

    __slots__ = ("dirty", "items", "next", "numbers", "removed")

    def __init__(self, raw: bytes | None) -> None:
        super().__init__(raw)
        self.items: dict[Any, Any] = {}
        self.numbers: dict[Any, int] = {}
        self.next = 0
        self.dirty: dict[Any, bool] = {}
        self.removed: list[int] = []


class Elements(State):
    """A state of many elements: what a worker does for both kinds of it."""

    kept: type[Any]

    def _begin_kept(self, held: list[Any]) -> None:
        """What the keys of a batch hold, by group."""
        self._held = held
        self._changed: set[int] = set()

    def _changes(self) -> Changes:
        """What the batch changed: the changes, three numbers each; new keys and values, each in a tuple."""
        out: Changes = ([], [], [])
        for group in sorted(self._changed):
            held = self._held[group]
            if held.cleared:
                out[0].extend((group, CLEAR, 0))
            elif held.refreshed:
                out[0].extend((group, REFRESH_ALL, 0))
            self._note(group, held, out)
            held.cleared = held.refreshed = False
        return out

    def _here(self) -> Any:
        """What the current key holds."""
        held = self._held[self._cursor.group]
        if held.raw is not None:
            self._open(held)
        return held

    def _here_to_change(self) -> Any:
        self._changed.add(self._cursor.group)
        return self._here()

    def _over(self, stamp: int) -> bool:
        over: bool = self._cursor.now - stamp >= self.ttl.ttl_ms  # type: ignore[union-attr]
        return over

    def _open(self, held: Any) -> None:
        raise NotImplementedError

    def _note(self, group: int, held: Any, out: Changes) -> None:
        raise NotImplementedError


class ListState(Elements, Generic[T]):
    """A list a key. With a TTL each element has its own time."""

    kind = 2
    kept = _KeptList

    def _open(self, held: _KeptList) -> None:
        items, stamps = held._opened(self)
        held.items = items if self.ttl is None else list(zip(stamps, items))

    def _note(self, group: int, held: _KeptList, out: Changes) -> None:
        if self.ttl is not None and held.items and self._over(held.items[len(held.items) // 2][0]):
            self._prune(held)
        if held.added:
            values = held.items[-held.added :]
            out[0].extend((group, ADD, len(values)))
            out[2].extend([(value,) for value in values] if self.ttl is None else [(value,) for _, value in values])
        held.added = 0

    def _prune(self, held: _KeptList) -> None:
        """Forgets what is over; so does the engine, by itself."""
        if held.items and self._over(held.items[0][0]):
            held.items = [entry for entry in held.items if not self._over(entry[0])]

    def _replace(self, values: list[Any]) -> None:
        held = self._held[self._cursor.group]
        self._changed.add(self._cursor.group)
        held.raw, held.cleared, held.added = None, True, len(values)
        held.items = values if self.ttl is None else [(self._cursor.now, value) for value in values]

    def clear(self) -> None:
        """Forgets what the current key holds."""
        self._replace([])

    def get(self) -> list[T]:
        """The elements, in the order they were added."""
        held = self._here()
        if self.ttl is None:
            return list(held.items)
        self._prune(held)
        if self.ttl.on_read and held.items:
            self._changed.add(self._cursor.group)
            held.items = [(self._cursor.now, value) for _, value in held.items]
            held.refreshed = True
        return [value for _, value in held.items]

    def __iter__(self) -> Iterator[T]:
        return iter(self.get())

    def add(self, value: T) -> None:
        """Adds an element behind the others."""
        held = self._here_to_change()
        held.items.append(value if self.ttl is None else (self._cursor.now, value))
        held.added += 1

    def add_all(self, values: Iterable[T]) -> None:
        """Adds elements behind the others."""
        for value in values:
            self.add(value)

    def update(self, values: Iterable[T]) -> None:
        """Replaces all elements."""
        self._replace(list(values))


class MapState(Elements, Generic[K, V]):
    """A dict a key. With a TTL each entry has its own time."""

    kind = 3
    kept = _KeptMap

    def _open(self, held: _KeptMap) -> None:
        items, stamps = held._opened(self)
        held.items = items if self.ttl is None else dict(zip(items, zip(stamps, items.values())))
        held.next = len(items)
        held.numbers = dict(zip(items, range(held.next)))

    def _note(self, group: int, held: _KeptMap, out: Changes) -> None:
        changes, keys, values = out
        for number in held.removed:
            changes.extend((group, REMOVE, number))
        for key, written in held.dirty.items():
            number = held.numbers.get(key, -1)
            if not written:
                changes.extend((group, REFRESH, number))
                continue
            value = held.items[key]
            values.append((value if self.ttl is None else value[1],))
            if number >= 0:
                changes.extend((group, SET, number))
                continue
            held.numbers[key] = held.next
            held.next += 1
            keys.append((key,))
            changes.extend((group, ADD, 1))
        if held.dirty:
            held.dirty = {}
        if held.removed:
            held.removed = []

    def clear(self) -> None:
        """Forgets what the current key holds."""
        held = self._held[self._cursor.group]
        self._changed.add(self._cursor.group)
        held.__init__(None)
        held.cleared = True

    def _entry(self, held: _KeptMap, key: K, read: bool) -> Any:
        """The (time, value) of an entry that is not over; None: there is none."""
        entry = held.items.get(key)
        if entry is None:
            return None
        if self._over(entry[0]):
            self._forget(held, key)
            return None
        if read and self.ttl.on_read:  # type: ignore[union-attr]
            self._changed.add(self._cursor.group)
            held.dirty.setdefault(key, False)
            entry = held.items[key] = (self._cursor.now, entry[1])
        return entry

    @staticmethod
    def _forget(held: _KeptMap, key: K) -> int | None:
        """Of an entry that is over the engine need not be told."""
        del held.items[key]
        held.dirty.pop(key, None)
        return held.numbers.pop(key, None)

    def _all(self) -> dict[K, Any]:
        held: _KeptMap = self._here()
        if self.ttl is None:
            return held.items
        for key in [key for key, entry in held.items.items() if self._over(entry[0])]:
            self._forget(held, key)
        if self.ttl.on_read and held.items:
            self._changed.add(self._cursor.group)
            held.refreshed = True
            now = self._cursor.now
            held.items = {key: (now, entry[1]) for key, entry in held.items.items()}
        return held.items

    def get(self, key: K, default: V | None = None) -> V | Any:
        """The value of an entry, or the default."""
        held = self._here()
        if self.ttl is None:
            return held.items.get(key, default)
        entry = self._entry(held, key, True)
        return default if entry is None else entry[1]

    def put(self, key: K, value: V) -> None:
        """Sets an entry."""
        held = self._here_to_change()
        if self.ttl is not None:
            self._entry(held, key, False)  # one that is over gives up its place
            held.items[key] = (self._cursor.now, value)
        else:
            held.items[key] = value
        held.dirty[key] = True

    def put_all(self, entries: dict[K, V]) -> None:
        """Sets entries."""
        for key, value in entries.items():
            self.put(key, value)

    def remove(self, key: K) -> None:
        """Takes an entry away, if it is there."""
        held = self._here_to_change()
        if key in held.items:
            number = self._forget(held, key)
            if number is not None:
                held.removed.append(number)

    def contains(self, key: K) -> bool:
        """Whether there is such an entry."""
        held = self._here()
        return key in held.items if self.ttl is None else self._entry(held, key, True) is not None

    __contains__ = contains

    def items(self) -> list[tuple[K, V]]:
        """Entries, in the order they were first set."""
        held = self._all()
        return list(held.items()) if self.ttl is None else [(k, v) for k, (_, v) in held.items()]

    def keys(self) -> list[K]:
        """Keys of the entries."""
        return list(self._all())

    def values(self) -> list[V]:
        """Values of the entries."""
        return [value for _, value in self.items()]

    def is_empty(self) -> bool:
        """Whether there are no entries."""
        return len(self) == 0

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())
