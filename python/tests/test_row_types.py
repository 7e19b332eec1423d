"""Row types: from classes, dicts, pyarrow, JSON Schema, Avro and CSV headers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import JobTypeError, JobValueError
from headrace.row_types import row_type
from headrace.schema_types import from_csv_header


def columns(declared: Any) -> list[str]:
    return [repr(field) for field in row_type("test", declared).fields]


@dataclass
class Bid:
    auction: int
    channel: str | None


def test_classes_and_names() -> None:
    assert columns(Bid) == ["auction: int64", "channel: text | None"]
    assert columns({"a": "int32", "t": "timestamp[ms] | None", "d": "decimal(10, 2)"}) == [
        "a: int32",
        "t: timestamp[ms] | None",
        "d: decimal(10, 2)",
    ]


def test_json_schema() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "at", "where", "maybe"],
        "properties": {
            "id": {"type": "integer"},
            "at": {"type": "string", "format": "date-time"},
            "maybe": {"type": ["number", "null"]},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "where": {"$ref": "#/$defs/Place"},
            "bytes": {"oneOf": [{"type": "null"}, {"type": "string", "contentEncoding": "base64"}]},
        },
        "$defs": {
            "Place": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}, "ok": {"type": "boolean"}}}
        },
    }
    expected = [
        "id: int64",
        "at: timestamp[ms]",
        "maybe: float64 | None",
        "tags: list[text] | None",
        "where: struct(x: float64, ok: bool)",
        "bytes: binary | None",
    ]
    assert columns(schema) == expected
    assert columns(json.dumps(schema)) == expected


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object", "properties": {"a": {"type": ["integer", "string"]}}}, "a column has one"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "columns cannot have"),
        ({"type": "object", "properties": {"a": {"$ref": "other.json#/a"}}}, "only references inside"),
        ({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, "refers to itself"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#"}}}}, "contains itself"),
    ],
)
def test_json_schemas_that_rows_cannot_have(schema: Any, why: str) -> None:
    with pytest.raises(JobTypeError, match=why):
        row_type("test", schema)


def test_avro() -> None:
    schema = {
        "type": "record",
        "name": "Bid",
        "namespace": "n",
        "fields": [
            {"name": "auction", "type": "long"},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "t", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A"]}},
            {"name": "again", "type": "n.Kind"},
            {
                "name": "points",
                "type": {"type": "array", "items": {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}},
            },
            {"name": "counts", "type": {"type": "map", "values": "double"}},
        ],
    }
    assert columns(schema) == [
        "auction: int64",
        "price: decimal(10, 2)",
        "t: timestamp[us] | None",
        "kind: text",
        "again: text",
        "points: list[struct(x: int32)]",
        "counts: list[struct(key: text, value: float64)]",
    ]
    assert columns(json.dumps(schema)) == columns(schema)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (["int", "string"], "union of 2 types"),
        ("Nothing", "not known"),
        (["null", "R"], "contain itself"),
    ],
)
def test_avro_schemas_that_rows_cannot_have(field: Any, why: str) -> None:
    with pytest.raises(JobTypeError, match=why):
        row_type("test", {"type": "record", "name": "R", "fields": [{"name": "a", "type": field}]})


def test_csv_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('\ufeffid,"a, b"\n1,2\n', encoding="utf-8")
    assert [repr(f) for f in from_csv_header(str(path), {"id": "int64"}).fields] == ["id: int64 | None", "a, b: text | None"]
    with pytest.raises(JobValueError, match="no column 'other'"):
        from_csv_header(str(path), {"other": "int64"})


def test_other_text_is_refused() -> None:
    with pytest.raises(JobTypeError, match="JSON Schema"):
        row_type("test", '{"type": "string"}')
    with pytest.raises(JobValueError, match="not JSON"):
        row_type("test", "int64")
