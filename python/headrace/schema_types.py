"""Row types from schemas that exist already: JSON Schema, Avro, the first line of a CSV file. A Parquet file's is
``pyarrow.parquet.read_schema(path)``, which row types take as it is.

JSON Schema: integer is int64, number float64, string text (format date-time: timestamp[ms]; date, time; contentEncoding base64: binary),
boolean bool, array a list, object a struct. What is not required, or may be null, may be null.
Avro: int is int32, long int64, enum, string and uuid text, bytes and fixed binary, a union of null and one other may be null; decimal, date,
time and timestamp logical types are themselves; a map is a list of structs (key, value).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.row_types import DECIMAL, LIST, STRUCT, TIMESTAMP, ColumnType, Field, RowType, column_type

_MAX_DEPTH = 30


def looks_like_json_schema(declared: Mapping[Any, Any]) -> bool:
    return isinstance(declared.get("properties"), Mapping) and declared.get("type", "object") == "object"


def looks_like_avro(declared: Mapping[Any, Any]) -> bool:
    return declared.get("type") == "record" and isinstance(declared.get("fields"), list)


def from_json_schema(what: str, schema: Mapping[str, Any] | str) -> RowType:
    """The row type of a JSON Schema (a dict, or its text) that describes an object. JobTypeError for what rows cannot have."""
    root: Mapping[str, Any] = _loaded(what, schema)
    if not looks_like_json_schema(root):
        raise JobTypeError(f"{what} ({here()}): the JSON Schema of a row describes an object: type 'object' with properties")
    return RowType(_properties(what, root, root, 0))


def from_avro(what: str, schema: Mapping[str, Any] | str) -> RowType:
    """The row type of an Avro record schema (a dict, or its text). JobTypeError for what rows cannot have."""
    root: Mapping[str, Any] = _loaded(what, schema)
    if not looks_like_avro(root):
        raise JobTypeError(f"{what} ({here()}): the Avro schema of a row is a record with fields")
    names: dict[str, Any] = {}
    return RowType(_record_fields(what, root, names, "", 0))


def from_text(what: str, schema: Mapping[str, Any] | str) -> RowType:
    """Of an Avro record schema or a JSON Schema, whichever it is."""
    loaded = _loaded(what, schema)
    if isinstance(loaded, Mapping) and looks_like_avro(loaded):
        return from_avro(what, loaded)
    if isinstance(loaded, Mapping) and looks_like_json_schema(loaded):
        return from_json_schema(what, loaded)
    raise JobTypeError(
        f"{what} ({here()}): text as a row type is an Avro record schema or a JSON Schema of an object, not {str(schema)[:80]!r}"
    )


def from_csv_header(path: str, types: Mapping[str, Any] | None = None, *, delimiter: str = ",") -> RowType:
    """The row type of a CSV file on this machine: its columns by their names in the first line, text that may be null but for those that
    `types` names. OSError when it cannot be read; JobValueError for an empty file or a type of no column."""
    import csv

    with open(path, newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file, delimiter=delimiter), [])
    if not names or not all(names):
        raise JobValueError(f"from_csv_header ({here()}): the first line of {path} names no columns")
    types = dict(types or {})
    if unknown := [name for name in types if name not in names]:
        raise JobValueError(f"from_csv_header ({here()}): {path} has no column {unknown[0]!r}; it has {', '.join(names)}")
    return RowType(tuple(Field(name, column_type("from_csv_header", types.get(name, "text")), True) for name in names))


def _loaded(what: str, schema: Any) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(schema)
    except ValueError as error:
        raise JobValueError(f"{what} ({here()}): the schema is not JSON: {error}") from None


def _refuse(what: str, name: str, why: str) -> JobTypeError:
    return JobTypeError(f"{what} ({here()}): field {name!r} {why}")


def _timestamp(unit: int, utc: bool) -> ColumnType:
    return ColumnType(TIMESTAMP, unit=unit, utc=utc)


# ---- JSON Schema ----


def _properties(what: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> tuple[Field, ...]:
    required = schema.get("required", ())
    fields = []
    for name, inside in schema["properties"].items():
        kind, nullable = _json_type(what, name, inside, root, depth + 1)
        fields.append(Field(name, kind, nullable or name not in required))
    if not fields:
        raise JobTypeError(f"{what} ({here()}): an object of the JSON Schema has no properties")
    return tuple(fields)


def _resolved(what: str, name: str, schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, Mapping):
            raise _refuse(what, name, f"has the schema {schema!r}, which says no type")
        reference = schema.get("$ref")
        if reference is None:
            return schema
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise _refuse(what, name, f"refers to {reference!r}; only references inside the schema ('#/…') are followed")
        schema = root
        for part in reference[2:].split("/") if reference != "#" else ():
            schema = schema.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(schema, Mapping) else None
    raise _refuse(what, name, "refers to itself")


def _json_type(what: str, name: str, schema: Any, root: Mapping[str, Any], depth: int) -> tuple[ColumnType, bool]:
    if depth > _MAX_DEPTH:
        raise _refuse(what, name, "is nested too deeply, or contains itself")
    schema = _resolved(what, name, schema, root)
    nullable = False
    for key in ("oneOf", "anyOf"):
        if key in schema:
            others = [s for s in schema[key] if not (isinstance(s, Mapping) and s.get("type") == "null")]
            if len(others) != 1:
                raise _refuse(what, name, f"has {len(others)} types in {key}; a column has one, and null")
            kind, inner = _json_type(what, name, others[0], root, depth + 1)
            return kind, inner or len(others) < len(schema[key])
    written = schema.get("type")
    if isinstance(written, list):
        nullable = "null" in written
        written = [t for t in written if t != "null"]
        if len(written) != 1:
            raise _refuse(what, name, f"has the types {schema['type']}; a column has one, and null")
        written = written[0]
    if written is None and "enum" in schema and all(isinstance(v, str) for v in schema["enum"]):
        written = "string"
    if written == "object" and isinstance(schema.get("properties"), Mapping):
        return ColumnType(STRUCT, children=_properties(f"{what}: {name}", schema, root, depth)), nullable
    if written == "array" and "items" in schema:
        kind, inner = _json_type(what, name, schema["items"], root, depth + 1)
        return ColumnType(LIST, children=(Field("item", kind, inner),)), nullable
    simple = {"integer": "int64", "number": "float64", "boolean": "bool", "string": "text"}
    if written not in simple:
        raise _refuse(what, name, f"has the type {written!r}, which columns cannot have")
    if written == "string":
        formats = {"date-time": _timestamp(1, True), "date": column_type(what, "date"), "time": column_type(what, "time")}
        if schema.get("contentEncoding") == "base64":
            return column_type(what, "binary"), nullable
        return formats.get(schema.get("format", ""), column_type(what, "text")), nullable
    return column_type(what, simple[written]), nullable


# ---- Avro ----

_AVRO = {
    "boolean": "bool",
    "int": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "bytes": "binary",
    "string": "text",
}
_LOGICAL = {
    "timestamp-millis": _timestamp(1, True), "timestamp-micros": _timestamp(2, True), "timestamp-nanos": _timestamp(3, True),
    "local-timestamp-millis": _timestamp(1, False), "local-timestamp-micros": _timestamp(2, False),
    "local-timestamp-nanos": _timestamp(3, False),
}  # fmt: skip


def _full_name(schema: Mapping[str, Any], space: str) -> tuple[str, str]:
    """(full name, namespace of what is inside)."""
    name = str(schema.get("name", ""))
    if "." in name:
        return name, name.rpartition(".")[0]
    space = str(schema.get("namespace", space))
    return (f"{space}.{name}" if space else name), space


def _record_fields(what: str, schema: Mapping[str, Any], names: dict[str, Any], space: str, depth: int) -> tuple[Field, ...]:
    full, inner = _full_name(schema, space)
    if names.get(full) is ...:
        raise JobTypeError(f"{what} ({here()}): the Avro record {full} contains itself, which columns cannot")
    names[full] = ...
    fields = []
    for field in schema["fields"]:
        kind, nullable = _avro_type(what, field["name"], field["type"], names, inner, depth + 1)
        fields.append(Field(field["name"], kind, nullable, tuple(field.get("aliases", ()))))
    if not fields:
        raise JobTypeError(f"{what} ({here()}): the Avro record {full} has no fields")
    names[full] = ColumnType(STRUCT, children=tuple(fields))
    return tuple(fields)


def _avro_type(what: str, name: str, schema: Any, names: dict[str, Any], space: str, depth: int) -> tuple[ColumnType, bool]:
    if depth > _MAX_DEPTH:
        raise _refuse(what, name, "is nested too deeply")
    if isinstance(schema, list):
        others = [s for s in schema if s != "null"]
        if len(others) != 1:
            raise _refuse(what, name, f"is a union of {len(others)} types; a column has one, and null")
        return _avro_type(what, name, others[0], names, space, depth + 1)[0], len(others) < len(schema)
    if isinstance(schema, str):
        if schema in _AVRO:
            return column_type(what, _AVRO[schema]), False
        known = names.get(schema if "." in schema or not space else f"{space}.{schema}", names.get(schema))
        if known is ...:
            raise _refuse(what, name, f"makes the Avro record {schema} contain itself, which columns cannot")
        if known is None:
            raise _refuse(what, name, f"has the Avro type {schema!r}, which is not known")
        return known, False
    written, logical = schema.get("type"), schema.get("logicalType")
    if logical in _LOGICAL and written == "long":
        return _LOGICAL[logical], False
    if logical == "decimal" and written in ("bytes", "fixed") and 1 <= schema.get("precision", 0) <= 38:
        return ColumnType(DECIMAL, precision=schema["precision"], scale=schema.get("scale", 0)), False
    if logical == "date" and written == "int":
        return column_type(what, "date"), False
    if logical in ("time-millis", "time-micros"):
        return column_type(what, "time"), False
    if written == "record":
        return ColumnType(STRUCT, children=_record_fields(what, schema, names, space, depth)), False
    if written in ("enum", "fixed"):
        kind = column_type(what, "text" if written == "enum" else "binary")
        names[_full_name(schema, space)[0]] = kind
        return kind, False
    if written == "array":
        kind, nullable = _avro_type(what, name, schema["items"], names, space, depth + 1)
        return ColumnType(LIST, children=(Field("item", kind, nullable),)), False
    if written == "map":
        kind, nullable = _avro_type(what, name, schema["values"], names, space, depth + 1)
        entry = ColumnType(STRUCT, children=(Field("key", column_type(what, "text"), False), Field("value", kind, nullable)))
        return ColumnType(LIST, children=(Field("item", entry, False),)), False
    return _avro_type(what, name, written, names, space, depth + 1)
