"""Writes the seeds of corpus/exchange_frame, corpus/value_decoder and corpus/key_decoder. Run it again when docs/formats/exchange.md or value_vectors.json change."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pyarrow as pa

HERE = Path(__file__).resolve().parent
HELLO, WELCOME, REJECT, OPEN, ACCEPT, REFUSE, CREDIT, SCHEMA, DATA, CONTROL, CLOSE = range(1, 12)


def frame(kind: int, body: bytes = b"", channel: int = 1, sequence: int = 0, metadata: int = 0) -> bytes:
    return struct.pack("<IIIIQII", len(body), kind, channel, 1, sequence, metadata, 0) + body


def name(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode()


def schema_frame(schema: pa.Schema, sequence: int) -> bytes:
    return frame(SCHEMA, schema.serialize().to_pybytes(), sequence=sequence)


def data_frame(batch: pa.RecordBatch, sequence: int) -> bytes:
    message = batch.serialize().to_pybytes()
    (length,) = struct.unpack_from("<I", message, 4)
    metadata = message[8 : 8 + length]
    return frame(DATA, metadata + bytes(-length % 64) + message[8 + length :], sequence=sequence, metadata=length)


def control(kind: int, a: int, b: int, sequence: int) -> bytes:
    return frame(CONTROL, struct.pack("<BQQ", kind, a, b), sequence=sequence)


def main() -> None:
    greeting = b"HRX1" + struct.pack("<I", 1) + name("tm1") + name("one") + name("tm2") + name("two")
    opening = name("0123456789abcdef0123456789abcdef") + struct.pack("<IIII", 1, 3, 0, 2)
    words = pa.record_batch({"value": pa.array(["a", "grün", ""], pa.large_utf8())})
    mixed = pa.record_batch(
        {
            "value": pa.array([b"\x06\x01a", b"\x00", b""], pa.large_binary()),
            "n": pa.array([1, None, 3], pa.int64()),
            "b": pa.array([True, None, False], pa.bool_()),
            "s": pa.array(["x", None, "yz"], pa.utf8()),
            "f": pa.array([b"12345", None, b"67890"], pa.binary(5)),
        }
    )
    seeds = {
        "greetings": frame(HELLO, greeting) + frame(WELCOME, greeting),
        "opening": frame(OPEN, opening)
        + frame(ACCEPT, sequence=1 << 20)
        + frame(REFUSE, b"not registered", sequence=1)
        + frame(CREDIT, sequence=4096),
        "controls": control(1, 2**64 - 5, 0, 0)
        + control(2, 1, 0, 1)
        + control(3, 7, 6, 2)
        + control(4, 0, 0, 3)
        + frame(CLOSE, b"released", sequence=2),
        "words": schema_frame(words.schema, 0) + data_frame(words, 1) + data_frame(words.slice(1, 1), 2) + control(4, 0, 0, 3),
        "mixed": schema_frame(mixed.schema, 0) + data_frame(mixed, 1),
        "empty_batch": schema_frame(words.schema, 0) + data_frame(words.slice(0, 0), 1),
        "reject": frame(REJECT, b"this is another process", sequence=2),
        "long_claim": struct.pack("<IIIIQII", (128 << 20), DATA, 1, 1, 0, 64, 0),
    }
    folder = HERE / "corpus" / "exchange_frame"
    folder.mkdir(parents=True, exist_ok=True)
    for title, content in seeds.items():
        for step in (0, 7, 200):
            (folder / f"{title}_{step}").write_bytes(bytes([step]) + content)
    vectors = json.loads((HERE.parents[1] / "docs" / "formats" / "value_vectors.json").read_text())
    folder = HERE / "corpus" / "value_decoder"
    folder.mkdir(parents=True, exist_ok=True)
    encoded = {v["value_hex"] for group in ("values", "malformed_values") for v in vectors[group] if "value_hex" in v}
    for index, value in enumerate(sorted(v for v in encoded if len(v) < 400)):
        (folder / f"value_{index:03}").write_bytes(bytes.fromhex(value))
    folder = HERE / "corpus" / "key_decoder"
    folder.mkdir(parents=True, exist_ok=True)
    keys = {v["key_hex"] for v in vectors["values"] if "key_hex" in v}
    for index, key in enumerate(sorted(k for k in keys if len(k) < 400)):
        (folder / f"key_{index:03}").write_bytes(bytes.fromhex(key))


if __name__ == "__main__":
    main()
