"""Types of typed rows: columns with names, types and nullability, from a dataclass, a TypedDict, a pyarrow schema or a dict.

``int`` is int64, ``float`` float64, ``str`` text, ``bytes`` binary, ``bool`` bool, ``Decimal`` decimal(38, 9), ``date`` date, ``time`` time,
``datetime`` timestamp in UTC (µs), ``timedelta`` duration, ``list[T]`` a list, a dataclass or TypedDict a struct; ``T | None`` may be null.
Types as text: ``"int32"``, ``"timestamp[ms] | None"``. Other widths: ``Annotated[int, "int32"]``, ``Annotated[Decimal, "decimal(23, 3)"]``, ``Annotated[datetime, "timestamp[ms]"]``.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

_UNITS = {"s": 0, "ms": 1, "us": 2, "ns": 3}
_SIMPLE = {
    "bool": 1, "int8": 2, "int16": 3, "int32": 4, "int64": 5, "uint8": 6, "uint16": 7, "uint32": 8, "uint64": 9, "float32": 10, "float64": 11,
    "string": 13, "text": 13, "str": 13, "int": 5, "float": 11, "binary": 14, "bytes": 14, "date": 15, "time": 16, "value": 21,
}  # fmt: skip
_PYTHON = {bool: "bool", int: "int64", float: "float64", str: "string", bytes: "binary", date: "date", time: "time"}
_NAMES = {1: "bool", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "uint8", 7: "uint16", 8: "uint32", 9: "uint64", 10: "float32", 11: "float64",
          13: "text", 14: "binary", 15: "date", 16: "time", 21: "value"}  # fmt: skip
DECIMAL, TIME, TIMESTAMP, DURATION, LIST, STRUCT, VALUE = 12, 16, 17, 18, 19, 20, 21


class ColumnType:
    """One type, as plan.proto has it: kind and what belongs to it. Compared by value."""

    __slots__ = ("children", "kind", "precision", "scale", "unit", "utc")

    def __init__(
        self, kind: int, *, precision: int = 0, scale: int = 0, unit: int = 0, utc: bool = False, children: tuple[Field, ...] = ()
    ) -> None:
        self.kind, self.precision, self.scale, self.unit, self.utc, self.children = kind, precision, scale, unit, utc, children

    def _parts(self) -> tuple[Any, ...]:
        return (self.kind, self.precision, self.scale, self.unit, self.utc, self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColumnType) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        unit = next(name for name, number in _UNITS.items() if number == self.unit)
        if self.kind == DECIMAL:
            return f"decimal({self.precision}, {self.scale})"
        if self.kind == TIMESTAMP:
            return f"timestamp[{unit}]" if self.utc else f"naive timestamp[{unit}]"
        if self.kind == DURATION:
            return f"duration[{unit}]"
        if self.kind == LIST:
            return f"list[{self.children[0].type!r}]"
        if self.kind == STRUCT:
            return f"struct({', '.join(f'{f.name}: {f.type!r}' for f in self.children)})"
        return _NAMES[self.kind]

    def fill(self, message: Any) -> None:
        """Writes it into a plan_pb2.ColumnType."""
        message.kind, message.precision, message.scale = self.kind, self.precision, self.scale
        message.unit, message.utc = self.unit, self.utc
        for child in self.children:
            child.fill(message.children.add())


class Field:
    """A column: name, type, whether it may be null."""

    __slots__ = ("aliases", "name", "nullable", "type")

    def __init__(self, name: str, type: ColumnType, nullable: bool = True, aliases: tuple[str, ...] = ()) -> None:
        self.name, self.type, self.nullable, self.aliases = name, type, nullable, aliases

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and (self.name, self.type, self.nullable) == (other.name, other.type, other.nullable)

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.nullable))

    def __repr__(self) -> str:
        return f"{self.name}: {self.type!r}{' | None' if self.nullable else ''}"

    def fill(self, message: Any) -> None:
        message.name, message.nullable = self.name, self.nullable
        message.aliases.extend(self.aliases)
        self.type.fill(message.type)


class RowType:
    """The columns of a stream's rows, and the Python class that rows become in functions (None: a dict)."""

    __slots__ = ("fields", "record")

    def __init__(self, fields: tuple[Field, ...], record: type | None = None) -> None:
        self.fields, self.record = fields, record

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def __repr__(self) -> str:
        return f"RowType({', '.join(map(repr, self.fields))})"

    def fill(self, message: Any) -> None:
        """Writes it into a plan_pb2.RowSchema."""
        for field in self.fields:
            field.fill(message.fields.add())
        if self.record is not None:
            message.record_type = f"{self.record.__module__}:{self.record.__qualname__}"


def row_type(what: str, declared: Any) -> RowType:
    """The row type that a dataclass, TypedDict, pyarrow schema, dict of name to type, JSON Schema or Avro schema (dict or text), or RowType
    declares. JobTypeError otherwise."""
    if isinstance(declared, RowType):
        return declared
    if isinstance(declared, (Mapping, str)):
        from headrace import schema_types

        if isinstance(declared, str) or schema_types.looks_like_json_schema(declared) or schema_types.looks_like_avro(declared):
            return schema_types.from_text(what, declared)
        return RowType(tuple(_field(what, name, hint) for name, hint in declared.items()))
    if isinstance(declared, type) and (dataclasses.is_dataclass(declared) or typing.is_typeddict(declared)):
        record = declared if dataclasses.is_dataclass(declared) else None
        return RowType(_fields_of(what, declared), record)
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(declared, pyarrow.Schema):
        return RowType(tuple(_arrow_field(what, field) for field in declared))
    raise JobTypeError(
        f"{what} ({here()}): a row type is a dataclass, a TypedDict, a pyarrow schema or a dict of names and types, not {declared!r}"
    )


def column_type(what: str, declared: Any) -> ColumnType:
    """The type that a Python type or a name such as "int32" or "decimal(10, 2)" declares."""
    field = _field(what, "type", declared)
    return field.type


def _fields_of(what: str, cls: type) -> tuple[Field, ...]:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise JobTypeError(f"{what} ({here()}): a type of {cls.__qualname__} cannot be found: {error}") from error
    names = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(hints)
    if not names:
        raise JobTypeError(f"{what} ({here()}): {cls.__qualname__} has no fields")
    return tuple(_field(f"{what}: {cls.__qualname__}", name, hints[name]) for name in names)


def _field(what: str, name: str, hint: Any) -> Field:
    if not isinstance(name, str) or not name or name.startswith("__"):
        raise JobValueError(f"{what} ({here()}): {name!r} cannot name a column; names are text and do not begin with __")
    bare, nullable, written = _unwrap(hint)
    if written is not None:
        return Field(name, _parse(what, name, written), nullable)
    return Field(name, _python_type(what, name, bare), nullable)


def _unwrap(hint: Any) -> tuple[Any, bool, str | None]:
    """(type, may it be None, a width written in Annotated)."""
    written: str | None = None
    nullable = False
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            written = next((m for m in hint.__metadata__ if isinstance(m, str)), written)
            hint = hint.__origin__
        elif (
            origin in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint) and len(typing.get_args(hint)) == 2
        ):
            nullable = True
            hint = next(a for a in typing.get_args(hint) if a is not type(None))
        elif origin in (getattr(typing, "Required", None), getattr(typing, "NotRequired", None)) and origin is not None:
            hint = typing.get_args(hint)[0]
        else:
            break
    if isinstance(hint, str):
        written = hint
    if written is not None and (found := re.fullmatch(r"(.*\S)\s*\|\s*None\s*", written)):
        written, nullable = found[1], True
    return hint, nullable, written


def _python_type(what: str, name: str, hint: Any) -> ColumnType:
    if isinstance(hint, ColumnType):
        return hint
    if isinstance(hint, type) and hint in _PYTHON:
        return ColumnType(_SIMPLE[_PYTHON[hint]], unit=2 if hint is time else 0)
    if hint is datetime:
        return ColumnType(TIMESTAMP, unit=2, utc=True)
    if hint is timedelta:
        return ColumnType(DURATION, unit=2)
    if hint is Decimal:
        return ColumnType(DECIMAL, precision=38, scale=9)
    if hint is Any or hint is object:
        return ColumnType(VALUE)
    if typing.get_origin(hint) is list:
        return ColumnType(LIST, children=(_field(what, "item", typing.get_args(hint)[0]),))
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)):
        return ColumnType(STRUCT, children=_fields_of(what, hint))
    raise JobTypeError(
        f"{what} ({here()}): column {name!r} has the type {hint!r}, which rows cannot have; see headrace.row_types for those they can"
    )


def _parse(what: str, name: str, written: str) -> ColumnType:
    text = written.strip()
    if text in _SIMPLE:
        return ColumnType(_SIMPLE[text], unit=2 if text == "time" else 0)
    if found := re.fullmatch(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)", text):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= 38 and scale <= precision:
            return ColumnType(DECIMAL, precision=precision, scale=scale)
    if found := re.fullmatch(r"(naive )?timestamp\[(s|ms|us|ns)\]", text):
        return ColumnType(TIMESTAMP, unit=_UNITS[found[2]], utc=found[1] is None)
    if found := re.fullmatch(r"duration\[(s|ms|us|ns)\]", text):
        return ColumnType(DURATION, unit=_UNITS[found[1]])
    raise JobValueError(
        f"{what} ({here()}): column {name!r} has the type {written!r}; there are {', '.join(sorted(set(_SIMPLE) - {'value'}))}, "
        "decimal(digits, scale), timestamp[ms] and duration[ms] (s, ms, us, ns)"
    )


def _arrow_field(what: str, field: Any) -> Field:
    return Field(field.name, _arrow_type(what, field.name, field.type), field.nullable)


def _arrow_type(what: str, name: str, declared: Any) -> ColumnType:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_decimal128(declared):
        return ColumnType(DECIMAL, precision=declared.precision, scale=declared.scale)
    if kinds.is_timestamp(declared):
        return ColumnType(TIMESTAMP, unit=_UNITS[declared.unit], utc=declared.tz is not None)
    if kinds.is_duration(declared):
        return ColumnType(DURATION, unit=_UNITS[declared.unit])
    if kinds.is_list(declared) or kinds.is_large_list(declared):
        return ColumnType(
            LIST, children=(Field("item", _arrow_type(what, name, declared.value_type), declared.value_field.nullable),)
        )
    if kinds.is_dictionary(declared):
        return _arrow_type(what, name, declared.value_type)
    if kinds.is_map(declared):
        pair = (
            Field("key", _arrow_type(what, name, declared.key_type), False),
            Field("value", _arrow_type(what, name, declared.item_type)),
        )
        return ColumnType(LIST, children=(Field("item", ColumnType(STRUCT, children=pair), False),))
    if kinds.is_fixed_size_binary(declared):
        return ColumnType(_SIMPLE["binary"])
    if kinds.is_time(declared):
        return ColumnType(TIME, unit=_UNITS["us"])
    if kinds.is_struct(declared):
        return ColumnType(STRUCT, children=tuple(_arrow_field(what, declared.field(i)) for i in range(declared.num_fields)))
    renamed = {
        "double": "float64",
        "float": "float32",
        "large_string": "string",
        "large_binary": "binary",
        "date32[day]": "date",
        "date64[ms]": "date",
        "halffloat": "float32",
    }
    text = renamed.get(str(declared), str(declared))
    if text in _SIMPLE:
        return ColumnType(_SIMPLE[text])
    raise JobTypeError(f"{what} ({here()}): column {name!r} has the pyarrow type {declared}, which rows cannot have")
