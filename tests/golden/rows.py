"""Rows of golden cases: from JSON to Python, and back to a form in which expected, computed and DuckDB's rows can be compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from cases import BadCase, Expected, Table
from headrace.row_types import TIMESTAMP, ColumnType, Field, RowType, column_type

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)


def row_type(table: Table) -> RowType:
    """The declared columns. Types are those of headrace.row_types, and list[int], list[str | None] …"""
    names = {"list": list, "str": str, "int": int, "float": float, "bool": bool, "bytes": bytes, "None": None, "date": date}
    fields = []
    for name, written, nullable in table.columns:
        hint = eval(written, {"__builtins__": {}}, names) if written.startswith("list[") else written
        fields.append(Field(name, column_type(f"input {table.name}", hint), nullable))
    return RowType(tuple(fields))


def input_rows(table: Table) -> list[dict[str, Any]]:
    """The rows as the engine takes them. Times are ms (or ISO text), decimals and dates text, bytes hexadecimal text."""
    types = {field.name: field.type for field in row_type(table).fields}
    for row in table.rows:
        if unknown := row.keys() - types.keys():
            raise BadCase(f"input {table.name}: {sorted(unknown)[0]!r} is no column of it")
    return [{name: _value(types[name], value) for name, value in row.items()} for row in table.rows]


def _value(type: ColumnType, value: Any) -> Any:
    if value is None:
        return None
    kind = repr(type)
    if isinstance(value, str):
        if kind.startswith("decimal"):
            return Decimal(value)
        if kind == "binary":
            return bytes.fromhex(value)
        if kind == "date":
            return date.fromisoformat(value)
        if kind == "time":
            return time.fromisoformat(value)
        if type.kind == TIMESTAMP:
            at = datetime.fromisoformat(value)
            return at.replace(tzinfo=timezone.utc) if type.utc else at
    if isinstance(value, list):
        return [_value(type.children[0].type, item) for item in value]
    if kind.startswith("float") and isinstance(value, int):
        return float(value)
    return value


def plain(value: Any) -> Any:
    """As -- expect writes it: times and durations ms, dates and decimals text, bytes hexadecimal text."""
    if isinstance(value, datetime):
        return _ms((value if value.tzinfo else value.replace(tzinfo=timezone.utc)) - _EPOCH)
    if isinstance(value, timedelta):
        return _ms(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _ms(span: timedelta) -> int | float:
    return span // _MS if span % _MS == timedelta(0) else span / _MS


def key_of(row: Any, loose: bool = False) -> str:
    """Equal for rows that count as equal: floats to 12 digits, NaN equals NaN; loose: 1, 1.0 and "1.00" are equal too."""
    if isinstance(row, dict):
        return "{" + ", ".join(f"{name}: {key_of(value, loose)}" for name, value in sorted(row.items())) + "}"
    if isinstance(row, (list, tuple)):
        return "[" + ", ".join(key_of(value, loose) for value in row) + "]"
    if isinstance(row, bool) or row is None:
        return str(row)
    if isinstance(row, float):
        if math.isnan(row):
            return "NaN"
        text = f"{row:.12g}"
        return text if loose or not text.lstrip("-").isdigit() else text + ".0"
    if loose and isinstance(row, str):
        try:
            return f"{float(row):.12g}"
        except ValueError:
            return repr(row)
    return (f"{row:.12g}" if abs(row) < 2**53 else str(row)) if loose and isinstance(row, int) else repr(row)


def fold(rows: Iterable[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The final table of an updating result: the last row of each key, or with no key the last row. Rows may have kinds."""
    final: dict[str, dict[str, Any]] = {}
    for row in rows:
        kind, bare = _kind_of(row)
        key = key_of([bare.get(name) for name in keys])
        if kind == "delete" or (kind == "update_before" and final.get(key) == bare):
            final.pop(key, None)
        elif kind != "update_before":
            final[key] = bare
    return list(final.values())


def net(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of an updating result that hold at the end, in no order: those that came, less those that were taken back."""
    held: dict[str, list[dict[str, Any]]] = {}
    for kind, row in map(_kind_of, rows):
        same = held.setdefault(key_of(row), [])
        if kind in ("insert", "update_after"):
            same.append(row)
        elif same:
            same.pop()
        else:
            same.append({"taken back before it came": row})
    return [row for same in held.values() for row in same]


def _kind_of(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The kind of a row, and the row without it."""
    return row.get("__row_kind", "insert"), {name: value for name, value in row.items() if name != "__row_kind"}


def difference(expected: list[dict[str, Any]], got: list[dict[str, Any]], loose: bool = False) -> str:
    """What is missing and what is too much, by rows; empty when they are the same multiset."""
    shown = {key_of(row, loose): row for row in [*expected, *got]}
    want, have = Counter(key_of(row, loose) for row in expected), Counter(key_of(row, loose) for row in got)
    lines = []
    for what, counts in (("missing", want - have), ("surplus", have - want)):
        lines += [f"  {what}{f' {n} times' if n > 1 else ''}: {_shown(shown[key])}" for key, n in counts.items()]
    if len(lines) > 40:
        lines = [*lines[:40], f"  … {len(lines) - 40} more"]
    return "\n".join(lines)


def _shown(row: dict[str, Any]) -> str:
    text = repr(row)
    return text if len(text) <= 300 else text[:300] + "…"


def compare(expected: Expected, got: list[dict[str, Any]]) -> str:
    """What differs from the expected rows; empty when nothing does."""
    rows = [plain(row) for row in got]
    if expected.fold is not None:
        rows = fold(rows, expected.fold)
    if expected.net:
        rows = net(rows)
    found = difference(expected.rows, rows)
    if not found and expected.ordered and [key_of(row) for row in expected.rows] != [key_of(row) for row in rows]:
        return "  the rows are the same, but their order is:\n" + "\n".join(f"  {_shown(row)}" for row in rows)
    return found
