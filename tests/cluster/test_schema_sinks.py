"""Typed rows into Kafka in the wire format of a schema registry: what is registered, what stands in the topic, and what is refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.kafka import Broker
from harness.runs import run_embedded
from harness.schema_registry import SchemaRegistry
from test_typed_kafka import zigzag

COLUMNS = {"auction": "int64", "channel": "text | None", "at": "timestamp[ms]", "price": "decimal(10, 2)"}
ROWS = [
    {"auction": i, "channel": None if i % 3 == 0 else f"é{i}", "at": 1_700_000_000_000 + i, "price": f"{i}.50"}
    for i in range(100)
]
JOB = "schema_sink_embedded.py"
AVRO = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "auction", "type": "long"},
        {"name": "channel", "type": ["null", "string"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    ],
}


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry("writer:secret")
    yield registry
    registry.stop()


def parameters(registry: SchemaRegistry, value_format: str, **more: Any) -> dict[str, Any]:
    access = {"schema_registry": registry.url, "schema_registry_auth": "writer:secret"}
    return access | {"columns": COLUMNS, "value_format": value_format} | more


@pytest.mark.parametrize("parallelism", [1, 4])
@pytest.mark.parametrize("value_format", ["avro", "protobuf", "json_schema"])
def test_what_is_written_reads_back(
    broker: Broker, folder: Path, registry: SchemaRegistry, value_format: str, parallelism: int
) -> None:
    records, back = broker.topic("records", 3), broker.topic("back", 1)
    run_embedded(JOB, broker, folder, parameters(registry, value_format, sink=records, rows=ROWS, parallelism=parallelism))
    assert list(registry.subjects) == [f"{records}-value"]
    (schema_id,) = registry.subjects[f"{records}-value"]
    kind, text = registry.schemas[schema_id]
    values = [value or b"" for _, value in broker.read(records)]
    assert len(values) == 100
    assert all(value[:5] == struct.pack(">bI", 0, schema_id) for value in values)
    if value_format == "avro":
        assert (kind, json.loads(text)) == ("AVRO", AVRO)
        first = zigzag(0) + zigzag(0) + zigzag(1_700_000_000_000) + zigzag(1) + b"\x32"
        assert values.count(struct.pack(">bI", 0, schema_id) + first) == 1
    elif value_format == "protobuf":
        assert kind == "PROTOBUF"
        assert "optional string channel = 2;" in text
        assert "google.protobuf.Timestamp at = 3;" in text
        assert all(value[5:6] == b"\0" for value in values), "the first message of its file"
    else:
        assert (kind, json.loads(text)["required"]) == ("JSON", ["auction", "at", "price"])
        assert json.loads(values[0][5:]).keys() == COLUMNS.keys()
    run_embedded(JOB, broker, folder, parameters(registry, value_format, source=records, sink=back, parallelism=parallelism))
    read = [json.loads(value or b"null") for _, value in broker.read(back)]
    assert sorted(read, key=lambda row: int(row["auction"])) == ROWS


def test_subjects_and_schemas_that_the_registry_has(broker: Broker, folder: Path, registry: SchemaRegistry) -> None:
    topic = broker.topic("records", 1)

    def write(value_format: str, **options: Any) -> None:
        run_embedded(JOB, broker, folder, parameters(registry, value_format, sink=topic, rows=ROWS[:1], options=options))

    write("avro", subject_strategy="record", record_name="org.example.Bid")
    write("protobuf", subject_strategy="topic_record", record_name="org.example.Bid")
    assert set(registry.subjects) == {"org.example.Bid", f"{topic}-org.example.Bid"}
    newer = json.dumps(AVRO | {"fields": [*AVRO["fields"][::-1], {"name": "note", "type": "string", "default": "none"}]})
    registry.schemas[77] = ("AVRO", newer)
    registry.subjects["given-value"] = registry.subjects[f"{topic}-value"] = [77]
    registry.asked.clear()
    write("avro", use_latest=True)
    write("avro", schema=newer, auto_register=False)
    assert registry.asked == [f"/subjects/{topic}-value/versions/latest", f"POST /subjects/{topic}-value"]
    record = (
        struct.pack(">bI", 0, 77) + zigzag(1) + b"\x32" + zigzag(1_700_000_000_000) + zigzag(0) + zigzag(0) + zigzag(4) + b"none"
    )
    assert [value for _, value in broker.read(topic)][2:] == [record, record]


def test_an_updating_stream_has_the_kind_of_its_rows(broker: Broker, folder: Path, registry: SchemaRegistry) -> None:
    topic = broker.topic("counts", 1)
    run_embedded(JOB, broker, folder, parameters(registry, "avro", sink=topic, rows=ROWS[:2] + ROWS[:1], updates=True))
    (schema_id,) = registry.subjects[f"{topic}-value"]
    assert [f["name"] for f in json.loads(registry.schemas[schema_id][1])["fields"]] == ["auction", "n", "__row_kind"]
    assert any((value or b"").endswith(zigzag(len("insert")) + b"insert") for _, value in broker.read(topic))


@pytest.mark.parametrize(
    ("refused", "options", "says"),
    [
        ('"channel"', {}, ["does not take the schema of the rows", "-value", "incompatible with an earlier one"]),
        ("\0", {"auto_register": False}, ["does not have the schema of the rows", "auto_register"]),
        ("\0", {"use_latest": True}, ["has no schema under subject"]),
        ("\0", {"schema": AVRO | {"fields": AVRO["fields"][:3]}}, ['has no field for column "price"']),
    ],
)
def test_refused_schemas_fail_the_job_once(
    broker: Broker, folder: Path, registry: SchemaRegistry, refused: str, options: dict[str, Any], says: list[str]
) -> None:
    registry.refused = refused
    topic = broker.topic("records", 1)
    with pytest.raises(AssertionError) as failed:
        run_embedded(JOB, broker, folder, parameters(registry, "avro", sink=topic, rows=ROWS, options=options))
    for text in [*says, f'sink "{topic}"', "HR1203"]:
        assert text in str(failed.value)
    assert broker.count(topic) == 0
