"""Stages of a worker over typed rows: functions over columns, verbs over records.

They exchange table blocks (docs/formats/worker.md): columns of any length whose values may be None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import chain, repeat
from operator import attrgetter, itemgetter
from time import perf_counter_ns
from typing import Any

from headrace import codec
from headrace.codec_py import ROLE_COLUMN, ROLE_KEY, ROLE_VALUE
from headrace.worker_errors import AtValue, UserError

Rows = list[Any]
Columns = list[tuple[int, Rows]]


class Table:
    """How a stage of table blocks reads and writes. operators: the worker's, in their order."""

    def __init__(self, operators: list[Any], setup: dict[str, Any]) -> None:
        self.operators = operators
        self.setup = setup

    def trip(self, source: Any, offset: int, length: int) -> tuple[Columns, int]:
        columns = [rows for _, _, rows in source.view_block(offset, length)]
        start = perf_counter_ns()
        out = self.run(columns)
        return out, perf_counter_ns() - start

    def run(self, columns: list[Sequence[Any]]) -> Columns:
        raise NotImplementedError

    def write(self, target: Any, at: int, columns: Columns) -> int:
        try:
            written: int = target.write_block(at, columns)
        except BaseException as error:
            raise self.blame(columns) from error
        return written

    def blame(self, columns: Columns) -> UserError:
        """For a result that cannot be encoded: by whom and which row."""
        for role, rows in columns:
            encode = codec.encode_key if role == ROLE_KEY else codec.encode
            for row in rows:
                try:
                    encode(row)
                except BaseException:
                    by_key = role == ROLE_KEY
                    others = [o for o in self.operators if (o.kind == "key_by") is by_key] or self.operators
                    return UserError(others[-1], row, True)
        return UserError(self.operators[-1], None, False)


class ScalarFunctions(Table):
    """Scalar functions, called with the values of a row. setup: {"arguments": [columns of each function, by place in the trip]}."""

    def run(self, columns: list[Sequence[Any]]) -> Columns:
        return [
            (ROLE_COLUMN, self._apply(operator, [columns[place] for place in places]))
            for operator, places in zip(self.operators, self.setup["arguments"])
        ]

    def _apply(self, operator: Any, columns: list[Sequence[Any]]) -> Rows:
        first: Any = iter(columns[0])  # knows how many rows are left, which names the failing one
        try:
            results = list(map(operator.function, first, *columns[1:]))
            if len(results) < len(columns[0]):
                raise StopIteration  # which map() takes for the end
            return results
        except AtValue as error:
            raise UserError(operator, error.value, True) from error.__cause__
        except BaseException as error:
            at = len(columns[0]) - first.__length_hint__() - 1
            row = columns[0][at] if len(columns) == 1 else tuple(c[at] for c in columns)
            raise UserError(operator, row, True) from error


def record_class(name: str) -> Any:
    """The class of a record type "module:qualname"; None for no name."""
    if not name:
        return None
    from headrace.codec_py.classes import find_class

    return find_class(name)


class Records:
    """Makes rows of columns: instances of a dataclass, or dicts."""

    def __init__(self, names: list[str], record: str) -> None:
        self.names = names
        self.record = record_class(record)
        self.positional = self.record is not None and [f.name for f in fields(self.record) if f.init and not f.kw_only] == names

        # A dict display with the names in it makes a row in a third of the time of dict(zip(names, row)).
        places = [f"c{i}" for i in range(len(names))]
        shown = ", ".join(f"{name!r}: {place}" for name, place in zip(names, places))
        self._dicts = eval(f"lambda columns: [{{{shown}}} for {', '.join(places)}, in zip(*columns)]")

    def of(self, columns: list[Sequence[Any]]) -> Rows:
        if self.record is None:
            rows: Rows = self._dicts(columns)
            return rows
        record = self.record
        if self.positional:
            return list(map(record, *columns))
        names = self.names
        return [record(**dict(zip(names, row))) for row in zip(*columns)]


class TypedRows:
    """Takes the rows that a function gives apart into columns: of instances with these attributes, or of dicts with these keys."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._item = [itemgetter(name) for name in names]
        self._attribute = [attrgetter(name) for name in names]

    def columns(self, operator: Any, rows: Rows) -> Columns:
        out: Columns = []
        is_dict = not rows or isinstance(rows[0], dict)
        getters: list[Any] = list(self._item if is_dict else self._attribute)
        for name, get in zip(self.names, getters):
            left: Any = iter(rows)
            try:
                out.append((ROLE_COLUMN, list(map(get, left))))
            except BaseException as error:
                row = rows[len(rows) - left.__length_hint__() - 1]
                raise UserError(operator, row, True) from TypeError(
                    f"{operator.name} is declared to return rows with the column {name!r}, and a row it gave has none: {error}"
                )
        return out


class RecordVerbs(Table):
    """map, filter, flat_map and key_by over rows that keep their times. setup: {"columns": names of the typed rows or None, "record": class,
    "returns": [names or None, of each verb]}.

    In: the columns, or one of values. Out: [kind, has origins]; origins, the place of the input row of each output row; keys
    behind key_by; then by kind nothing (0: the rows are input rows), values (1) or columns (2).
    """

    def __init__(self, operators: list[Any], setup: dict[str, Any]) -> None:
        super().__init__(operators, setup)
        self.records = Records(setup["columns"], setup["record"]) if setup["columns"] is not None else None
        self.returns = [TypedRows(names) if names is not None else None for names in setup["returns"]]
        self.moves = any(o.kind in ("filter", "flat_map") for o in operators)
        #: As those of worker.Stage.
        self.calls = operators[0].calls
        self.begun: dict[tuple[int, int], Any] = {}

    def begin(self, source: Any, offset: int, length: int) -> None:
        """As Stage.begin()."""
        columns = [rows for _, _, rows in source.read_block(offset, length)]
        values = self.records.of(columns) if self.records is not None else columns[0]
        self.begun[id(source), offset] = values, self.calls.begin(values)

    def trip(self, source: Any, offset: int, length: int) -> tuple[Columns, int]:
        begun = self.begun.pop((id(source), offset), None) if self.begun else None
        if begun is None:
            return super().trip(source, offset, length)
        values, batch = begun
        out = self._verbs(values, batch)
        return out, perf_counter_ns() - batch.begun_ns

    def run(self, columns: list[Sequence[Any]]) -> Columns:
        return self._verbs(self.records.of(columns) if self.records is not None else list(columns[0]), None)

    def _verbs(self, values: Rows, batch: Any) -> Columns:
        origins: Rows = list(range(len(values))) if self.moves else []
        made: int | None = None  # the verb whose rows these are
        keys: Rows | None = None
        for at, operator in enumerate(self.operators):
            rows: Any = iter(values)
            try:
                if operator.kind == "filter":
                    function = operator.function
                    kept = [bool(function(row)) for row in rows]
                    values = [row for row, keep in zip(values, kept) if keep]
                    origins = [origin for origin, keep in zip(origins, kept) if keep]
                    continue
                if operator.kind == "flat_map":
                    values, origins = self._flat_map(operator, rows, origins, batch if at == 0 else None)
                    made = at
                    continue
                result = operator.apply(rows, batch if at == 0 else None)
            except BaseException as error:
                place = len(values) - rows.__length_hint__() - 1
                raise UserError(operator, values[place] if place >= 0 else None, place >= 0) from error
            if operator.kind == "key_by":
                keys = result
            else:
                values, made = result, at
        return self._answer(values, origins, made, keys)

    @staticmethod
    def _flat_map(operator: Any, rows: Any, origins: Rows, batch: Any) -> tuple[Rows, Rows]:
        function = operator.function
        if operator.calls is not None:
            done = operator.calls.run(rows, True, batch)
            return [row for _, row in done], [origins[place] for place, _ in done]
        values: Rows = []
        moved: list[Any] = []
        for row, origin in zip(rows, origins):
            before = len(values)
            values.extend(function(row))
            moved.append(repeat(origin, len(values) - before))
        return values, list(chain.from_iterable(moved))

    def _answer(self, values: Rows, origins: Rows, made: int | None, keys: Rows | None) -> Columns:
        returns = self.returns[made] if made is not None else None
        kind = 2 if returns is not None else 1 if made is not None or self.records is None else 0
        out: Columns = [(ROLE_COLUMN, [kind, int(self.moves)]), (ROLE_COLUMN, origins)]
        if keys is not None:
            out.append((ROLE_KEY, keys))
        if kind == 2 and returns is not None and made is not None:
            out += returns.columns(self.operators[made], values)
        elif kind == 1:
            out.append((ROLE_VALUE, values))
        return out


class Timestamps(Table):
    """Event times of rows: function(row) -> ms since 1970 or an aware datetime. setup as RecordVerbs. Out: int64 ms."""

    def __init__(self, operators: list[Any], setup: dict[str, Any]) -> None:
        super().__init__(operators, setup)
        self.records = Records(setup["columns"], setup["record"]) if setup["columns"] is not None else None

    def run(self, columns: list[Sequence[Any]]) -> Columns:
        values = self.records.of(columns) if self.records is not None else list(columns[0])
        operator = self.operators[0]
        rows: Any = iter(values)
        try:
            times = [milliseconds(time) for time in map(operator.function, rows)]
        except BaseException as error:
            place = len(values) - rows.__length_hint__() - 1
            raise UserError(operator, values[place] if place >= 0 else None, place >= 0) from error
        return [(ROLE_COLUMN, times)]


def milliseconds(time: Any) -> int:
    """ms since 1970 UTC of an int, or of an aware datetime. TypeError otherwise."""
    if type(time) is int:
        return time
    from datetime import datetime, timedelta, timezone

    if isinstance(time, datetime) and time.tzinfo is not None:
        return (time - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    raise TypeError(f"a time is an int (ms since 1970 UTC) or an aware datetime, not {time!r}")


STAGES = {"scalar": ScalarFunctions, "records": RecordVerbs, "timestamps": Timestamps}
