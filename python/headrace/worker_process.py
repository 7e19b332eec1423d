"""The stage of a worker that runs a process function: rows or timers of keys, with the keys' states.

What goes in and out is in docs/formats/worker.md. Lists and maps of keys stay here from trip to trip, as long as the engine says.
"""

from __future__ import annotations

from itertools import repeat
from time import perf_counter_ns
from typing import Any

from headrace import codec
from headrace.codec_py import ROLE_COLUMN, ROLE_VALUE
from headrace.codec_py.keys_decode import decode_key
from headrace.element_states import Elements
from headrace.process import Context, OutputTag
from headrace.state import State, states_of
from headrace.timers import Timers
from headrace.worker_columns import Records, TypedRows
from headrace.worker_errors import AtValue, UserError

Rows = list[Any]
_LEAST = -(2**63)
_NOT_ROWS = (str, bytes, dict)


class Cursor(Context):
    """Where the function is: the context it gets, and what its states and timers look at."""

    def __init__(self) -> None:
        self.group = 0
        self.now = 0
        self.watermark = _LEAST
        self.firing = 0  # kind of timers that fire: 0 event time, 2 processing time
        self.timestamp: int | None = None
        self.keys: list[Any] = []
        self.rows: Rows = []
        self.timers = Timers(self)
        self.side: list[tuple[str, int, Any]] = []

    @property
    def current_key(self) -> Any:
        key = self.keys[self.group]
        if type(key) is bytes:
            key = self.keys[self.group] = (decode_key(key),)
        return key[0]

    @property
    def timer_is_event_time(self) -> bool:
        return self.firing == 0

    def emit(self, row: Any) -> None:
        self.rows.append(row)

    def output(self, tag: str | OutputTag, row: Any) -> None:
        name = tag.name if isinstance(tag, OutputTag) else tag
        if type(name) is not str:
            raise TypeError(f"ctx.output() takes a tag, a str or an OutputTag, not {tag!r}")
        self.side.append((name, self.group, row))


class _NoTimers(Timers):
    """Of broadcast functions."""

    __slots__ = ()

    def _add(self, kind: int, time: Any) -> None:
        raise RuntimeError("timers belong to a key, which rows that meet broadcast state do not have")


class BroadcastCursor(Cursor):
    """The context of broadcast functions: no key, no timers."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = _NoTimers(self)

    @property
    def current_key(self) -> Any:
        raise RuntimeError("rows that meet broadcast state have no key")


class _ReadOnly(set):  # type: ignore[type-arg]
    """Groups whose states changed, where none may."""

    def add(self, group: int) -> None:
        raise RuntimeError("broadcast state can only be read in process_element(); process_broadcast() changes it")


def _methods(function: Any, broadcast: bool) -> tuple[Any, Any]:
    """What takes the rows of each of two inputs."""
    return (function.process_element, function.process_broadcast) if broadcast else (function.process1, function.process2)


class OpenContext:
    """What open() gets."""

    def __init__(self, subtask: int, parallelism: int) -> None:
        self.subtask, self.parallelism = subtask, parallelism


class _Called:
    """The function as errors name it."""

    def __init__(self, operator: Any, method: Any) -> None:
        self.uid, self.name, self.kind = operator.uid, operator.name, "process"
        self.function = getattr(method, "__func__", method)


class ProcessStage:
    """Runs one process function. setup: {"columns", "record", "returns", "states": [names], "subtask", "parallelism"}; with two inputs "second": {"columns", "record"}."""

    def __init__(self, operator: Any, setup: dict[str, Any]) -> None:
        function = operator.function
        self.broadcast: bool = setup["broadcast"]
        self.process: Any = (
            None
            if "second" in setup
            else (
                function.process
                if type(function).__dict__.get("process") or not hasattr(function, "process_element")
                else function.process_element
            )
        )
        self.second: Any = self.process
        self.second_records: Records | None = None
        if "second" in setup:
            self.process, self.second = _methods(function, self.broadcast)
            names = setup["second"]["columns"]
            self.second_records = Records(names, setup["second"]["record"]) if names is not None else None
        self.batch: Any = getattr(function, "process_rows", None)  # takes all rows of a trip at once
        self.on_timer = None if self.broadcast else function.on_timer
        self.process_operator = _Called(operator, self.process)
        self.second_operator = _Called(operator, self.second)
        self.timer_operator = _Called(operator, self.on_timer)
        self.timed = False
        self.records = Records(setup["columns"], setup["record"]) if setup["columns"] is not None else None
        self.returns = TypedRows(setup["returns"]) if setup["returns"] is not None else None
        if self.batch is not None:
            function.names = setup["returns"]
        self.cursor = BroadcastCursor() if self.broadcast else Cursor()
        self.states = self._bind(function, setup["states"])
        self.elements = [state for state in self.states if isinstance(state, Elements)]
        self.kept: dict[bytes, list[Any]] = {}  # by key: what it holds in each of them
        try:
            function.open(OpenContext(setup["subtask"], setup["parallelism"]))
        except BaseException as error:
            raise UserError(_Called(operator, function.open), None, False) from error
        for state in self.states:
            state._bind(self.cursor)

    def _bind(self, function: Any, names: list[str]) -> list[State]:
        by_name: dict[str, State] = {}
        for attribute, declared in states_of(function).items():
            state = by_name.get(declared.name)
            if state is None:
                state = by_name[declared.name] = type(declared).__new__(type(declared))
                state.__setstate__(declared.__getstate__())
            setattr(function, attribute, state)
        return [by_name[name] for name in names]

    def trip(self, source: Any, offset: int, length: int) -> tuple[list[tuple[int, Rows]], int]:
        columns = [rows for _, _, rows in source.read_block(offset, length)]
        start = perf_counter_ns()
        cursor, count = self.cursor, len(self.states)
        kind, cursor.now, cursor.watermark, timed, has_states = columns[0]
        self.timed = timed == 1
        cursor.keys = list(columns[1])
        if self.elements:
            self._begin_elements(columns[1], columns[2], columns[3], columns[4 : 4 + count])
        for state, raw in zip(self.states, columns[4:]):
            if has_states and not isinstance(state, Elements):
                state._begin(raw)
            if self.broadcast:  # a state goes on from trip to trip; what changed is that of this one
                state._changed = set() if kind == 3 else _ReadOnly()
        groups, times = columns[4 + count], columns[5 + count]
        cursor.rows, cursor.side = [], []
        cursor.timers._begin()
        out_times: Rows = []
        side_times: Rows = []
        if kind in (0, 3):
            rows = columns[6 + count :]
            records = self.records if kind == 0 else self.second_records
            values = records.of(rows) if records is not None else rows[0]
            if self.batch is not None:
                self._batch(values, groups, times, out_times)
            else:
                self._rows(kind == 3, values, groups, times, out_times, side_times)
        else:
            cursor.firing = 0 if kind == 1 else 2
            self._fire(groups, times, out_times, side_times)
        return self._answer(out_times, side_times), perf_counter_ns() - start

    def _begin_elements(self, keys: list[bytes], known: list[int], forgotten: list[bytes], states: list[Rows]) -> None:
        """Lists and maps of the keys of a batch: those that are here, and those that come."""
        kept = self.kept
        for key in forgotten:
            kept.pop(key, None)
        came = [(state.kept, raw) for state, raw in zip(self.states, states) if isinstance(state, Elements)]
        held: list[list[Any]] = []
        for group, key in enumerate(keys):
            if not known[group]:
                kept[key] = [make(raw[group]) for make, raw in came]
            held.append(kept[key])
        for state, of_state in zip(self.elements, zip(*held) if held else repeat(())):
            state._begin_kept(list(of_state))

    def _batch(self, values: Rows, groups: list[int], times: Rows, out_times: Rows) -> None:
        try:
            for time, row in self.batch(values, groups, times or [None] * len(values), self.cursor):
                self.cursor.rows.append(row)
                if self.timed:
                    out_times.append(time)
        except AtValue as error:
            raise UserError(self.process_operator, error.value, True) from error.__cause__

    def _rows(self, second: bool, values: Rows, groups: list[int], times: Rows, out_times: Rows, side_times: Rows) -> None:
        cursor, timed = self.cursor, self.timed
        process = self.second if second else self.process
        out, side = cursor.rows, cursor.side
        given = noted = 0
        left: Any = iter(values)
        try:
            for row, group, time in zip(left, groups, times or repeat(None)):
                cursor.group = group
                cursor.timestamp = time
                result = process(row, cursor)
                if result is not None:
                    if result.__class__ in _NOT_ROWS:
                        raise TypeError(
                            f"process() yields rows or returns a list of them, not one {type(result).__name__}: {result!r}"
                        )
                    out.extend(result)
                if timed:
                    if len(out) != given:
                        out_times.extend(repeat(time, len(out) - given))
                        given = len(out)
                    if len(side) != noted:
                        side_times.extend(repeat(time, len(side) - noted))
                        noted = len(side)
        except BaseException as error:
            raise UserError(
                self.second_operator if second else self.process_operator, values[len(values) - left.__length_hint__() - 1], True
            ) from error

    def _fire(self, groups: list[int], times: list[int], out_times: Rows, side_times: Rows) -> None:
        cursor, on_timer = self.cursor, self.on_timer
        assert on_timer is not None  # a function without timers registers none
        out, side = cursor.rows, cursor.side
        # Rows that a processing-time timer gives come just behind the watermark.
        behind = cursor.watermark + 1 if cursor.watermark > _LEAST else cursor.now
        for time, group in cursor.timers._in_order(groups, times):
            cursor.group = group
            cursor.timestamp = time
            try:
                result = on_timer(time, cursor)
                if result is not None:
                    if result.__class__ in _NOT_ROWS:
                        raise TypeError(
                            f"on_timer() yields rows or returns a list of them, not one {type(result).__name__}: {result!r}"
                        )
                    out.extend(result)
            except BaseException as error:
                raise UserError(self.timer_operator, _Timer(time, cursor.current_key), True) from error
            if self.timed:
                stamp = time if cursor.firing == 0 else behind
                out_times.extend(repeat(stamp, len(out) - len(out_times)))
                side_times.extend(repeat(stamp, len(side) - len(side_times)))

    def _answer(self, out_times: Rows, side_times: Rows) -> list[tuple[int, Rows]]:
        cursor = self.cursor
        out: list[tuple[int, Rows]] = [(ROLE_COLUMN, [int(self.returns is not None)]), (ROLE_COLUMN, out_times)]
        for state in self.states:
            cursor.group = 0
            if isinstance(state, Elements):
                out += [(ROLE_COLUMN, rows) for rows in state._changes()]
                continue
            try:
                groups, encoded = state._finish()
            except BaseException as error:
                raise UserError(self.process_operator, None, False) from type(error)(
                    f"the state {state.name!r} holds what cannot be kept: {error}"
                )
            out += [(ROLE_COLUMN, groups), (ROLE_COLUMN, encoded)]
        timers = cursor.timers
        out += [(ROLE_COLUMN, timers._groups), (ROLE_COLUMN, timers._times), (ROLE_COLUMN, timers._kinds)]
        names = list(dict.fromkeys(name for name, _, _ in cursor.side))
        places = {name: at for at, name in enumerate(names)}
        out += [
            (ROLE_COLUMN, names), (ROLE_COLUMN, [places[name] for name, _, _ in cursor.side]), (ROLE_COLUMN, side_times),
            (ROLE_VALUE, [row for _, _, row in cursor.side]),
        ]  # fmt: skip
        if self.returns is not None:
            out += self.returns.columns(self.process_operator, cursor.rows)
        else:
            out.append((ROLE_VALUE, cursor.rows))
        return out

    def write(self, target: Any, at: int, columns: list[tuple[int, Rows]]) -> int:
        try:
            written: int = target.write_block(at, columns)
        except BaseException as error:
            for _, rows in columns:
                for row in rows:
                    try:
                        codec.encode(row)
                    except BaseException:
                        raise UserError(self.process_operator, row, True) from error
            raise UserError(self.process_operator, None, False) from error
        return written


class _Timer:
    """The row of an error in on_timer()."""

    def __init__(self, time: int, key: Any) -> None:
        self.time, self.key = time, key

    def __repr__(self) -> str:
        return f"the timer {self.time} of the key {self.key!r}"
