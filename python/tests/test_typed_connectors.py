"""What typed sources and sinks put into the plan, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import FileSource, GeneratorSource, KafkaSink, KafkaSource, dead_letter
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
    ],
)
def test_what_is_refused(make: Any, why: str) -> None:
    with pytest.raises((JobTypeError, JobValueError), match=why):
        make()
