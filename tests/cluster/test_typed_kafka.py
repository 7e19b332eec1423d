"""Typed rows out of Kafka in every format, through a windowed aggregate, into Kafka; what cannot be read goes to the dead letters."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.kafka import Broker
from harness.runs import run_embedded
from harness.schema_registry import SchemaRegistry

Bid = dict[str, Any]
JOB = "typed_kafka_embedded.py"
START_MS = 1_700_000_000_000
AVRO = json.dumps(
    {
        "type": "record",
        "name": "Bid",
        "fields": [
            {"name": "auction", "type": "long"},
            {"name": "bidder", "type": "long"},
            {"name": "extra", "type": {"type": "array", "items": "string"}},
            {"name": "price", "type": "long"},
            {"name": "channel", "type": ["null", "string"]},
            {"name": "date_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ],
    }
)
PROTO = """syntax = "proto3";
message Unused { string x = 1; }
message Outer {
  message Bid {
    int64 auction = 1; int64 bidder = 2; int64 price = 3; optional string channel = 4; fixed64 date_time = 5; repeated string extra = 6;
  }
}
"""


def bids(count: int) -> list[Bid]:
    randomness = random.Random(7)
    return [
        {
            "auction": randomness.randrange(50),
            "bidder": i,
            "price": randomness.randrange(1, 1000),
            "channel": None if i % 7 == 0 else f"channel é {i % 5}",
            "date_time": START_MS + i * 5 + randomness.randrange(3000),
        }
        for i in range(count)
    ]


def hot_auctions(rows: list[Bid]) -> set[tuple[int, int, int, int]]:
    """(window_start, window_end, auction, num) of the auctions with the most bids in each window of 10 s, every 2 s."""
    windows: dict[int, Counter[int]] = {}
    for row in rows:
        last = row["date_time"] // 2000 * 2000
        for start in range(last - 8000, last + 1, 2000):
            windows.setdefault(start, Counter())[row["auction"]] += 1
    return {
        (start, start + 10_000, auction, num)
        for start, counts in windows.items()
        for auction, num in counts.items()
        if num == max(counts.values())
    }


def zigzag(value: int) -> bytes:
    bits = (value << 1) ^ (value >> 63)
    return varint(bits & (2**64 - 1))


def varint(bits: int) -> bytes:
    out = bytearray()
    while bits >= 0x80:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    return bytes([*out, bits])


def avro(row: Bid) -> bytes:
    channel = row["channel"]
    text = zigzag(0) if channel is None else zigzag(1) + zigzag(len(channel.encode())) + channel.encode()
    extra = zigzag(1) + zigzag(1) + b"x" + zigzag(0)
    return zigzag(row["auction"]) + zigzag(row["bidder"]) + extra + zigzag(row["price"]) + text + zigzag(row["date_time"])


def protobuf(row: Bid) -> bytes:
    out = b"".join(
        varint(n << 3) + varint(row[name]) for n, name in ((1, "auction"), (2, "bidder"), (3, "price")) if row[name] != 0
    )
    if row["channel"] is not None:
        out += varint(4 << 3 | 2) + varint(len(row["channel"].encode())) + row["channel"].encode()
    return out + varint(5 << 3 | 1) + struct.pack("<Q", row["date_time"]) + varint(6 << 3 | 2) + varint(1) + b"y"


def results(broker: Broker, sink: str) -> set[tuple[int, int, int, int]]:
    rows = [(key, json.loads(value or b"null")) for key, value in broker.read(sink)]
    assert all(key == str(row["auction"]).encode() for key, row in rows)
    found = [(row["window_start"], row["window_end"], row["auction"], row["num"]) for _, row in rows]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry("reader:secret")
    yield registry
    registry.stop()


@pytest.mark.parametrize("parallelism", [1, 4])
def test_hot_auctions_of_json_bids(broker: Broker, folder: Path, parallelism: int) -> None:
    rows = bids(20_000)
    source, sink, dead = broker.topic("bids", 4), broker.topic("hot", 2), broker.topic("dead", 1)
    bad = [b"{broken", b'{"auction":"x"}', b"[1]", b"\xff", json.dumps(rows[0] | {"price": 1.5}).encode(), b'{"auction":1}']
    values = [json.dumps(row | {"url": "https://x/\u00e9", "extra": {"a": [1, "]"]}}).encode() for row in rows]
    broker.produce(source, values[:5000] + bad + values[5000:])
    run_embedded(JOB, broker, folder, {"source": source, "sink": sink, "dead_letters": dead, "parallelism": parallelism})
    # The price is not read, so that it is not decoded either.
    assert results(broker, sink) == hot_auctions([*rows, rows[0]])
    assert sorted(value or b"" for _, value in broker.read(dead)) == sorted(set(bad) - {bad[4]})


def test_hot_auctions_of_avro_protobuf_and_json_schema_bids(broker: Broker, folder: Path, registry: SchemaRegistry) -> None:
    rows = bids(3000)
    registry.schemas = {7: ("AVRO", AVRO), 8: ("PROTOBUF", PROTO), 9: ("JSON", '{"type": "object"}')}
    formats = {
        "avro": lambda row: struct.pack(">bI", 0, 7) + avro(row),
        "protobuf": lambda row: struct.pack(">bI", 0, 8) + zigzag(2) + zigzag(1) + zigzag(0) + protobuf(row),
        "json_schema": lambda row: struct.pack(">bI", 0, 9) + json.dumps(row).encode(),
    }
    bad = [b"", b"\x01\0\0\0\7", struct.pack(">bI", 0, 7), b"\0\0\0\0\x63abc", b"\0\0\0\0\7" + avro(rows[0])[:-1]]
    for value_format, encode in formats.items():
        source, sink, dead = broker.topic(value_format, 2), broker.topic("hot", 1), broker.topic("dead", 1)
        broker.produce(source, [encode(row) for row in rows[:1000]] + bad + [encode(row) for row in rows[1000:]])
        auth = {"schema_registry": registry.url, "schema_registry_auth": "reader:secret"}
        run_embedded(
            JOB,
            broker,
            folder,
            {"source": source, "sink": sink, "dead_letters": dead, "parallelism": 2, "value_format": value_format} | auth,
        )
        assert results(broker, sink) == hot_auctions(rows), value_format
        assert sorted(value or b"" for _, value in broker.read(dead)) == sorted(bad), value_format
    assert registry.asked.count("/schemas/ids/7") == 1, "a schema is asked for once a process"


@pytest.mark.parametrize("parallelism", [1, 3])
def test_columns_of_the_record_itself(broker: Broker, folder: Path, parallelism: int) -> None:
    topics = {"source": broker.topic("readings", 3)} | {
        n: broker.topic(n, 1) for n in ("declared", "added", "counts", "dead_letters")
    }
    headers = [("a", b"1"), ("b", None), ("a", b"\xff")]
    expected = []
    for i in range(300):
        key = None if i % 5 == 0 else f"é{i % 3}"
        record = {"partition": i % 3, "offset": i // 3, "timestamp": START_MS + i, "key": key, "v": i}
        broker.produce_record(
            topics["source"], json.dumps({"v": i, "place": 5, "at": "?"}), key, i % 3, START_MS + i, headers if i % 2 else []
        )
        expected.append(record | {"headers": i % 2})
    broker.produce_record(topics["source"], "{broken", "k", 0, START_MS, [])
    broker.produce_record(topics["source"], '{"v":1}', b"\xff", 0, START_MS, [])
    broker.flush()
    run_embedded("record_metadata_embedded.py", broker, folder, topics | {"parallelism": parallelism})

    def rows(name: str) -> list[dict[str, Any]]:
        return [json.loads(value or b"null") for _, value in broker.read(topics[name])]

    declared = {(row["v"], row["place"], row["at"]) for row in rows("declared")}
    assert declared == {(e["v"], e["key"], e["offset"]) for e in expected}
    assert len(list(broker.read(topics["dead_letters"]))) == 2, "what is broken, and the key that is no text"
    added = sorted((row for row in rows("added") if row["key"] != "/w=="), key=lambda row: int(row["v"]))
    coded = [{"key": n, "value": v if v is None else base64.b64encode(v).decode()} for n, v in headers]
    assert added == [
        {
            "v": e["v"],
            "topic": topics["source"],
            "partition": e["partition"],
            "offset": e["offset"],
            "timestamp": e["timestamp"],
            "key": None if e["key"] is None else base64.b64encode(str(e["key"]).encode()).decode(),
            "headers": coded if e["headers"] else [],
        }
        for e in expected
    ]
    assert {(row["_p"], row["n"]) for row in rows("counts")} == {(0, 101), (1, 100), (2, 100)}
