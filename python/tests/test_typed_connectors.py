"""What typed sources and sinks put into the plan, and what they refuse."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from headrace import FileSink, FileSource, GeneratorSource, KafkaSink, KafkaSource, dead_letter
from headrace.errors import JobTypeError, JobValueError

AVRO = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}


def test_a_row_type_makes_json_the_format() -> None:
    source = KafkaSource("t", row_type={"a": "int64"}, on_error=dead_letter("dead"))
    assert source.options["value_format"] == "json"
    assert (source.options["on_error"], source.options["dead_letter_topic"]) == ("dead_letter", "dead")
    assert source.row_type is not None and source.row_type.names == ["a"]
    assert KafkaSource("t").row_type is None


def test_an_avro_schema_is_the_row_type_too() -> None:
    source = KafkaSource("t", value_format="avro", schema=AVRO)
    assert source.row_type is not None and repr(source.row_type.fields[0]) == "a: int64"
    assert source.options["schema"].startswith('{"type": "record"')


def test_key_columns_travel_as_json() -> None:
    assert KafkaSink("t", key="a").options["key_columns"] == '["a"]'
    assert KafkaSink("t", key=["a", 'b"']).options["key_columns"] == '["a", "b\\""]'
    assert GeneratorSource(3, column="n").row_type is not None


def test_secrets_are_not_shown() -> None:
    properties = {"sasl.username": "u", "sasl.password": "hidden", "ssl.key.pem": "hidden", "sasl.oauthbearer.config": "hidden"}
    registry = {"schema_registry": "http://r:1", "schema_registry_auth": "u:hidden"}
    source = KafkaSource("t", value_format="avro", row_type={"a": "int64"}, properties=properties, **registry)
    assert "hidden" not in repr(source) and "sasl.password='***'" in repr(source)
    assert "sasl.username='u'" in repr(source) and "topic='t'" in repr(source)
    assert source.options["schema_registry_auth"] == "u:hidden"


def test_metadata_columns_join_the_row_type() -> None:
    @dataclasses.dataclass
    class Bid:
        price: int
        k: str | None

    source = KafkaSource("t", row_type={"v": "int64"}, metadata={"_p": "partition", "h": "headers"})
    assert source.options["metadata"] == '{"_p": "partition", "h": "headers"}'
    assert source.row_type is not None
    assert [repr(f) for f in source.row_type.fields] == ["v: int64", "_p: int32", "h: list[struct(key: text, value: binary)]"]
    declared = KafkaSource("t", row_type=Bid, metadata={"k": "key"}).row_type
    assert declared is not None and declared.names == ["price", "k"] and declared.record is Bid
    for metadata, why in (
        ({"at": "offset"}, "Bid has no field 'at'"),
        (["ofset"], "it takes 'topic'"),
        ("offset", "takes a dict"),
    ):
        with pytest.raises((JobTypeError, JobValueError), match=why):
            KafkaSource("t", row_type=Bid, metadata=metadata)  # type: ignore[arg-type]
    with pytest.raises(JobValueError, match="columns of typed rows"):
        KafkaSource("t", metadata=["offset"])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: KafkaSource("t", row_type={"a": "int64"}, value_format="string"), "has no columns for row_type"),
        (lambda: KafkaSource("t", value_format="avro", row_type={"a": "int64"}), "takes either schema_registry"),
        (lambda: KafkaSource("t", value_format="protobuf", schema_registry="http://r:1"), "say which columns"),
        (lambda: KafkaSource("t", value_format="avro", row_type={"a": "int64"}, schema_registry="r:1"), "must be http://"),
        (lambda: KafkaSource("t", schema=AVRO), "takes no schema"),
        (lambda: KafkaSource("t", row_type={"a": "complex"}), "has the type 'complex'"),
        (lambda: KafkaSource("t", on_error="drop"), "it takes 'fail', 'skip'"),
        (lambda: KafkaSource("t", row_type={"__a": "int64"}), "cannot name a column"),
        (lambda: KafkaSink("t", key=[]), "takes the name of a column"),
        (lambda: FileSource("x", "csv"), "say which columns"),
        (lambda: FileSource("x", "csv", row_type={"a": "int64"}, csv_header=False), "needs csv_columns"),
        (lambda: FileSource("x", "csv", row_type={"a": "int64"}, csv_delimiter="::"), "one ASCII character"),
        (lambda: dead_letter(""), "topic is empty"),
        (lambda: FileSource("/nowhere/x.parquet", "parquet"), "sees no file"),
        (lambda: FileSink("x", "json", compression="zstd"), "is not compressed"),
        (lambda: FileSink("x", "parquet", roll_rows=0), "must be 1 or more"),
    ],
)
def test_what_is_refused(make: Any, why: str) -> None:
    with pytest.raises((JobTypeError, JobValueError), match=why):
        make()
