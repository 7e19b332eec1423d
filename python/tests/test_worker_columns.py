"""Stages of a worker over typed rows and process functions, through a real worker process."""

from __future__ import annotations

import dataclasses
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from fake_taskmanager import FakeTaskManager, WorkerFailed

from headrace import (
    AggregateFunction,
    AggregatingState,
    BroadcastProcessFunction,
    KeyedProcessFunction,
    ListState,
    MapState,
    ReducingState,
    StateTtl,
    ValueState,
    codec,
)
from headrace.codec_py import ROLE_COLUMN
from headrace.codec_py.keys_decode import decode_key
from headrace.element_states import ADD, CLEAR, REFRESH, REMOVE, SET, Elements
from headrace.state import states_of

LEAST = -(2**63)


@dataclasses.dataclass
class Place:
    x: int
    y: int


@pytest.fixture(scope="module")
def tm() -> Iterator[FakeTaskManager]:
    with FakeTaskManager(arenas=2) as made:
        yield made


def columns(*rows: list[Any]) -> list[tuple[int, list[Any]]]:
    return [(ROLE_COLUMN, r) for r in rows]


def test_scalar_functions_see_rows_of_columns(tm: FakeTaskManager) -> None:
    stage = tm.load(
        ("map", lambda a, b: a + b), ("map", lambda a: a and a * 2), kind="scalar", setup={"arguments": [[0, 1], [2]]}
    )
    out = tm.run_table(stage, columns([1, 2, 3], [10, 20, 30], ["x", None, "z"]))
    assert out == [[11, 22, 33], ["xx", None, "zz"]]


def test_a_scalar_function_that_raises_names_the_row(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", lambda a, b: a // b), kind="scalar", setup={"arguments": [[0, 1]]})
    with pytest.raises(WorkerFailed) as failed:
        tm.run_table(stage, columns([1, 2, 3], [1, 0, 1]))
    assert failed.value.error["type"] == "ZeroDivisionError"
    assert failed.value.error["row"] == "(2, 0)"
    assert "a // b" in failed.value.error["code"]
    assert failed.value.error["file"] == __file__


def test_a_scalar_function_that_raises_stop_iteration_names_the_row(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", lambda a: a if a < 2 else next(iter(()))), kind="scalar", setup={"arguments": [[0]]})
    with pytest.raises(WorkerFailed) as failed:
        tm.run_table(stage, columns([1, 2, 3]))
    assert (failed.value.error["type"], failed.value.error["row"]) == ("StopIteration", "2")


def records(
    tm: FakeTaskManager, *verbs: tuple[str, Any], names: list[str] | None, record: str = "", returns: list[Any] | None = None
) -> int:
    return tm.load(*verbs, kind="records", setup={"columns": names, "record": record, "returns": returns or [None] * len(verbs)})


def test_filters_over_records_give_origins(tm: FakeTaskManager) -> None:
    stage = records(
        tm, ("filter", lambda r: r["a"] > 1), ("filter", lambda r: r["b"] != "z"), ("key_by", lambda r: r["b"]), names=["a", "b"]
    )
    out = tm.run_table(stage, columns([1, 2, 3, 4], ["w", "x", "z", None]))
    assert out[:2] == [[0, 1], [1, 3]]
    assert [decode_key(k) for k in out[2]] == ["x", None]
    assert len(out) == 3


def test_records_are_instances_of_their_dataclass(tm: FakeTaskManager) -> None:
    stage = records(tm, ("map", lambda p: (type(p).__name__, p.x + p.y)), names=["x", "y"], record=f"{__name__}:Place")
    assert tm.run_table(stage, columns([1, 2], [3, 4])) == [[1, 0], [], [("Place", 4), ("Place", 6)]]


def test_declared_rows_come_as_columns(tm: FakeTaskManager) -> None:
    stage = records(
        tm, ("flat_map", lambda r: [{"n": i, "t": "x" * i} for i in range(r["a"])]), ("filter", lambda r: r["n"] != 1),
        names=["a"], returns=[["n", "t"], None],
    )  # fmt: skip
    assert tm.run_table(stage, columns([0, 2, 3])) == [[2, 1], [1, 2, 2], [0, 0, 2], ["", "", "xx"]]


def test_a_row_without_a_declared_column_is_named(tm: FakeTaskManager) -> None:
    stage = records(tm, ("map", lambda r: {"m": 1}), names=["a"], returns=[["n"]])
    with pytest.raises(WorkerFailed, match="declared to return rows with the column 'n'"):
        tm.run_table(stage, columns([0]))


def test_timestamps(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", lambda r: r["t"] * 1000), kind="timestamps", setup={"columns": ["t"], "record": ""})
    assert tm.run_table(stage, columns([1, 2])) == [[1000, 2000]]
    bad = tm.load(("map", lambda r: str(r["t"])), kind="timestamps", setup={"columns": ["t"], "record": ""})
    with pytest.raises(WorkerFailed, match="an int .ms since 1970 UTC. or an aware datetime, not '1'"):
        tm.run_table(bad, columns([1, 2]))


# ---- process functions ----


class Driver:
    """Plays the operator: keeps states and timers as it does."""

    def __init__(self, tm: FakeTaskManager, function: Any, names: list[str], *, typed: list[str] | None = None) -> None:
        setup = {"columns": typed, "record": "", "returns": None, "states": names, "subtask": 0, "parallelism": 1}
        setup["broadcast"] = False
        self.tm, self.names = tm, names
        self.stage = tm.load(("map", function), kind="process", setup=setup)
        self.states: dict[tuple[str, bytes], Any] = {}
        self.element_states = {state.name: state for state in states_of(function).values() if isinstance(state, Elements)}
        self.elements: dict[tuple[str, bytes], list[Any]] = {}  # by number: key, value, time
        self.kept: set[bytes] = set()
        self.forget: list[bytes] = []
        self.moved: dict[str, int] = {}
        self.timers: list[tuple[int, int, bytes]] = []
        self.side: list[tuple[str, Any]] = []

    def trip(self, head: list[int], keys: list[Any], groups: list[int], times: list[int], rows: list[list[Any]]) -> list[Any]:
        encoded = [codec.encode_key(key) for key in keys]
        known = [int(key in self.kept) for key in encoded] if self.element_states else []
        states = [[self._sent(name, key) for key in encoded] for name in self.names]
        out = self.tm.run_table(self.stage, columns([*head, 1], encoded, known, self.forget, *states, groups, times, *rows))
        self.kept, self.forget = self.kept | set(encoded) if self.element_states else set(), []
        at = 2
        for name in self.names:
            if name in self.element_states:
                self._change(name, encoded, head[1], *out[at : at + 3])
                at += 3
                continue
            for group, value in zip(out[at], out[at + 1]):
                self.states.pop((name, encoded[group]), None)
                if value is not None:
                    self.states[name, encoded[group]] = value
            at += 2
        self.timers += [(kind, time, keys[group]) for group, time, kind in zip(out[at], out[at + 1], out[at + 2])]
        self.side = [(out[at + 3][tag], row) for tag, row in zip(out[at + 4], out[at + 6])]
        self.times = out[1]
        return out[at + 7]

    def _sent(self, name: str, key: bytes) -> Any:
        """A state as it goes to the worker: a value, or bytes as they came; of elements all, or nothing when it has them."""
        if name not in self.element_states:
            return self.states.get((name, key))
        if key in self.kept:
            return None
        alive = self.elements[name, key] = [element for element in self.elements.get((name, key), []) if element is not None]
        if not alive:
            return None
        state = self.element_states[name]
        keys, values, stamps = ([element[i] for element in alive] for i in range(3))
        stamped = struct.pack(f"<Q{len(stamps)}q", len(stamps), *stamps) if state.ttl is not None else b""
        return stamped + codec.encode(values if state.kind == 2 else dict(zip(keys, values)))

    def _change(
        self, name: str, keys: list[bytes], now: int, changes: list[int], new_keys: list[Any], new_values: list[Any]
    ) -> None:
        self.moved[name] = len(new_keys) + len(new_values)
        left_keys, left_values = iter(new_keys), iter(new_values)
        for group, what, number in zip(changes[::3], changes[1::3], changes[2::3]):
            held = self.elements.setdefault((name, keys[group]), [])
            if what == CLEAR:
                held.clear()
            elif what == ADD:
                for _ in range(number):
                    key = next(left_keys)[0] if self.element_states[name].kind == 3 else None
                    held.append([key, next(left_values)[0], now])
            elif what == SET:
                held[number][1:] = [next(left_values)[0], now]
            elif what == REMOVE:
                assert held[number] is not None
                held[number] = None
            elif what == REFRESH:
                held[number][2] = now
            else:
                for element in held:
                    if element is not None:
                        element[2] = now
        assert next(left_keys, None) is None and next(left_values, None) is None

    def drop_kept(self) -> None:
        """As if the engine had given up all keys."""
        self.forget, self.kept = list(self.kept), set()

    def rows(
        self, rows: list[Any], key: Any, *, now: int = 0, times: list[int] | None = None, keys: list[Any] | None = None
    ) -> list[Any]:
        of_rows = keys or [key(row) for row in rows]
        distinct = list(dict.fromkeys(of_rows))
        return self.trip(
            [0, now, LEAST, int(times is not None)], distinct, [distinct.index(key) for key in of_rows], times or [], [rows]
        )

    def fire(self, timers: list[tuple[int, Any]], *, kind: int = 1) -> list[Any]:
        keys = list(dict.fromkeys(key for _, key in timers))
        return self.trip([kind, 0, 100, 1], keys, [keys.index(key) for _, key in timers], [time for time, _ in timers], [])


class Counting(KeyedProcessFunction[Any, Any]):
    count = ValueState("count", default=0)

    def process(self, row: Any, ctx: Any) -> Any:
        self.count.update(self.count.value() + 1)
        yield ctx.current_key, self.count.value(), ctx.timestamp

    def on_timer(self, time: int, ctx: Any) -> Any:
        return [(ctx.current_key, time, self.count.value())]


def test_state_travels_between_trips(tm: FakeTaskManager) -> None:
    driver = Driver(tm, Counting(), ["count"])
    assert driver.rows(["a", "b", "a"], lambda r: r) == [("a", 1, None), ("b", 1, None), ("a", 2, None)]
    assert driver.rows(["a"], lambda r: r, times=[7]) == [("a", 3, 7)]
    assert driver.times == [7]
    assert driver.fire([(10, "a"), (11, "b")]) == [("a", 10, 3), ("b", 11, 1)]
    assert driver.times == [10, 11]


class Everything(KeyedProcessFunction[Any, Any]):
    def __init__(self) -> None:
        self.list = ListState[Any]("list")
        self.map = MapState[str, int]("map")
        self.most = ReducingState("most", max)
        self.mean = AggregatingState("mean", Mean())

    def process(self, row: Any, ctx: Any) -> Any:
        if row == "clear":
            for state in (self.list, self.map, self.most, self.mean):
                state.clear()
        else:
            self.list.add(row)
            self.map.put(str(row), row)
            if len(self.map) > 2:
                self.map.remove(self.map.keys()[0])
            self.most.add(row)
            self.mean.add(row)
        return [(self.list.get(), dict(self.map.items()), self.most.get(), self.mean.get())]


class Mean(AggregateFunction[float, Any, float]):
    def create_accumulator(self) -> Any:
        return (0, 0)

    def add(self, value: float, accumulator: Any) -> Any:
        return (accumulator[0] + value, accumulator[1] + 1)

    def get_result(self, accumulator: Any) -> float:
        return float(accumulator[0] / accumulator[1])


def test_all_kinds_of_state(tm: FakeTaskManager) -> None:
    driver = Driver(tm, Everything(), ["list", "map", "most", "mean"])
    driver.rows([3], lambda r: "k")
    assert driver.rows([5, 1], lambda r: "k")[-1] == ([3, 5, 1], {"5": 5, "1": 1}, 5, 3.0)
    assert driver.rows(["clear"], lambda r: "k") == [([], {}, None, None)]
    assert driver.states == {}
    assert not any(driver.elements.values())


class Living(KeyedProcessFunction[Any, Any]):
    value = ValueState("value", ttl=100)
    read = ValueState("read", ttl=StateTtl(100, refresh="read"))
    list = ListState[Any]("list", ttl=100)
    map = MapState[Any, Any]("map", ttl=100)

    def process(self, row: Any, ctx: Any) -> Any:
        if row is not None:
            self.value.update(row)
            self.read.update(row)
            self.list.add(row)
            self.map.put(row, row)
        yield self.value.value(), self.read.value(), self.list.get(), sorted(self.map.keys())


@pytest.mark.parametrize("forgetful", [False, True])
def test_state_lives_as_long_as_declared(tm: FakeTaskManager, forgetful: bool) -> None:
    driver = Driver(tm, Living(), ["value", "read", "list", "map"])
    driver.rows([1], lambda r: "k", now=1000)
    if forgetful:
        driver.drop_kept()
    assert driver.rows([None], lambda r: "k", now=1099) == [(1, 1, [1], [1])]
    # Reading has kept one of them.
    assert driver.rows([None], lambda r: "k", now=1100) == [(None, 1, [], [])]
    driver.rows([2], lambda r: "k", now=1150)
    driver.rows([3], lambda r: "k", now=1200)
    if forgetful:
        driver.drop_kept()
    assert driver.rows([None], lambda r: "k", now=1250) == [(3, 3, [3], [3])]


class Wide(KeyedProcessFunction[Any, Any]):
    """Rows are (method, arguments) of a map or a list."""

    map = MapState[Any, Any]("map", ttl=None)
    list = ListState[Any]("list")

    def process(self, row: Any, ctx: Any) -> Any:
        name, method, *arguments = row
        return [getattr(getattr(self, name), method)(*arguments)]


def test_a_change_moves_what_changed(tm: FakeTaskManager) -> None:
    driver = Driver(tm, Wide(), ["map", "list"])
    driver.rows([("map", "put", k, k) for k in range(1000)] + [("list", "add", k) for k in range(1000)], lambda r: "k")
    assert driver.moved == {"map": 2000, "list": 1000}
    driver.rows([("map", "put", 5, "new"), ("map", "put", 5, "newer"), ("map", "remove", 6), ("list", "add", 1)], lambda r: "k")
    assert driver.moved == {"map": 1, "list": 1}, "one value of an entry, one of a list"
    driver.rows([("map", "get", 5), ("list", "get")], lambda r: "k")
    assert driver.moved == {"map": 0, "list": 0}
    driver.drop_kept()
    assert driver.rows([("map", "get", 5), ("map", "get", 6), ("map", "__len__")], lambda r: "k") == ["newer", None, 999]


def test_maps_are_what_dicts_are_whatever_the_worker_keeps(tm: FakeTaskManager) -> None:
    driver, rng = Driver(tm, Wide(), ["map", "list"]), random.Random(3)
    maps: dict[str, dict[Any, Any]] = {key: {} for key in "abc"}
    lists: dict[str, list[Any]] = {key: [] for key in "abc"}
    for trip in range(120):
        if rng.random() < 0.2:
            driver.drop_kept()
        keys, rows, expected = [], [], []
        for _ in range(rng.randrange(1, 12)):
            key = rng.choice("abc")
            at = rng.choice([1, 1.0, True, 2, "x", "y", (1, 2), None])
            step = rng.randrange(9)
            held, items = maps[key], lists[key]
            if step < 3:
                row: Any = ("map", "put", at, trip)
                held[at] = trip
            elif step < 5:
                row = ("map", "remove", at)
                held.pop(at, None)
            elif step == 5 and rng.random() < 0.2:
                row = ("map", "clear")
                held.clear()
            elif step == 6:
                row = ("list", "add", trip)
                items.append(trip)
            elif step == 7 and rng.random() < 0.3:
                row = ("list", "update", [trip, at])
                items[:] = [trip, at]
            else:
                row = ("map", "items") if rng.random() < 0.5 else ("list", "get")
            keys.append(key)
            rows.append(row)
            expected.append(list(held.items()) if row[1] == "items" else list(items) if row[1] == "get" else None)
        assert driver.rows(rows, None, keys=keys) == expected
    for key in "abc":
        driver.drop_kept()
        assert repr(driver.rows([("map", "items"), ("list", "get")], lambda r: None, keys=[key, key])) == repr(
            [list(maps[key].items()), lists[key]]
        )


class Scheduling(KeyedProcessFunction[Any, Any]):
    def process(self, row: Any, ctx: Any) -> Any:
        ctx.timers.register_event_time(row)
        ctx.timers.register_processing_time(row + 1)
        ctx.timers.delete_event_time(row + 2)
        ctx.output("seen", row)

    def on_timer(self, time: int, ctx: Any) -> Any:
        if time == 10:
            ctx.timers.register_event_time(15)
            ctx.timers.register_event_time(99)
            ctx.timers.delete_event_time(20)
        yield time, ctx.current_key


def test_timers_and_side_outputs(tm: FakeTaskManager) -> None:
    driver = Driver(tm, Scheduling(), [])
    assert driver.rows([5, 6], lambda r: "k") == []
    assert driver.side == [("seen", 5), ("seen", 6)]
    assert driver.timers == [(0, 5, "k"), (2, 6, "k"), (1, 7, "k"), (0, 6, "k"), (2, 7, "k"), (1, 8, "k")]
    driver.timers.clear()
    # A timer that a timer adds or takes back before the end of the slice counts at once, in the order of times.
    assert driver.fire([(10, "a"), (12, "b"), (20, "a"), (20, "b"), (30, "c")]) == [
        (10, "a"),
        (12, "b"),
        (15, "a"),
        (20, "b"),
        (30, "c"),
    ]
    assert (0, 99, "a") in driver.timers


class Failing(KeyedProcessFunction[Any, Any]):
    def process(self, row: Any, ctx: Any) -> Any:
        return row["text"]

    def on_timer(self, time: int, ctx: Any) -> Any:
        raise ValueError("too late")


def test_errors_name_the_row_or_the_timer(tm: FakeTaskManager) -> None:
    driver = Driver(tm, Failing(), [])
    with pytest.raises(WorkerFailed) as failed:
        driver.rows([{"text": "abc"}], lambda r: "k")
    assert "yields rows or returns a list of them, not one str" in failed.value.error["message"]
    assert failed.value.error["row"] == "{'text': 'abc'}"
    driver = Driver(tm, Failing(), [])
    with pytest.raises(WorkerFailed) as failed:
        driver.fire([(5, ("k", 1))])
    assert failed.value.error["row"] == "the timer 5 of the key ('k', 1)"
    assert failed.value.error["code"] == 'raise ValueError("too late")'


def test_keys_come_back_from_their_bytes() -> None:
    import datetime
    import decimal
    import uuid

    for key in (
        None, 0, -1, 2**53 + 1, 2**62 + 1, -(2**63), 1.5, float("inf"), "", "a\0b", "é", b"\0\xff", (), ("a", (1, None)), True, 10**30,
        decimal.Decimal("0.1"), decimal.Decimal("-12345678901234567890.5"), datetime.date(1, 1, 1), datetime.datetime(2024, 5, 6, 7, 8, 9, 123456),
        datetime.datetime(1969, 1, 1, tzinfo=datetime.timezone.utc), datetime.time(23, 59, 59, 999999), datetime.timedelta(days=-3, microseconds=5),
        uuid.UUID(int=7),
    ):  # fmt: skip
        assert decode_key(codec.encode_key(key)) == key, key
    nan = decode_key(codec.encode_key(float("nan")))
    assert nan != nan
    for bad in (b"", b"\x20\x00", b"\x40a", b"\x99", b"\x10\x10", b"\x70\x00\x00\x00"):
        with pytest.raises((ValueError, TypeError)):
            decode_key(bad)


class Rules(BroadcastProcessFunction[Any, Any, Any]):
    limit = ValueState("limit", default=0)
    seen = MapState[str, int]("seen")

    def process_element(self, row: Any, ctx: Any) -> Any:
        yield row, self.limit.value(), len(self.seen)

    def process_broadcast(self, row: Any, ctx: Any) -> Any:
        self.limit.update(row)
        self.seen.put(str(row), row)
        yield "rule", row


def test_broadcast_state_stays_in_the_worker_between_trips(tm: FakeTaskManager) -> None:
    setup = {"columns": None, "record": "", "returns": None, "states": ["limit", "seen"], "subtask": 0, "parallelism": 1}
    setup |= {"broadcast": True, "second": {"columns": None, "record": ""}}
    stage = tm.load(("map", Rules()), kind="process", setup=setup)

    def trip(kind: int, rows: list[Any], states: list[Any] | None = None) -> tuple[list[int], list[Any]]:
        head, held = [kind, 0, LEAST, 0, int(states is not None)], states or [None, None]
        key, known = codec.encode_key(None), int(states is None)
        out = tm.run_table(stage, columns(head, [key], [known], [], [held[0]], [held[1]], [0] * len(rows), [], rows))
        assert len(out[2]) == (1 if out[4] else 0), "both states change together"
        return out[2], out[-1]

    # States that were kept elsewhere come with the first trip.
    assert trip(0, ["a"], [(5,), codec.encode({"5": 5})]) == ([], [("a", 5, 1)])
    assert trip(3, [7, 9]) == ([0], [("rule", 7), ("rule", 9)])
    assert trip(0, ["b", "c"]) == ([], [("b", 9, 3), ("c", 9, 3)]), "no state came, and none goes back"
