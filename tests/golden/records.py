"""Records of formats with schemas as golden cases write them: by hand, byte by byte, so that no writer of ours is its own judge."""

from __future__ import annotations

import atexit
import json
import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "cluster"))

from harness.schema_registry import SchemaRegistry

_SYNC = bytes(range(16))


def varint(bits: int) -> bytes:
    out = bytearray()
    bits &= 2**64 - 1
    while bits >= 0x80:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    return bytes([*out, bits])


def long(value: int) -> bytes:
    """An int or long of Avro, a zigzag varint."""
    return varint((value << 1) ^ (value >> 63))


def text(value: str | bytes) -> bytes:
    """A string or bytes of Avro: behind their length."""
    raw = value.encode() if isinstance(value, str) else value
    return long(len(raw)) + raw


def field(number: int, value: int | str | bytes | float) -> bytes:
    """A field of a Protobuf message: an int as a varint, text and bytes behind their length, a float as a double."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def avro_file(schema: Mapping[str, Any], *blocks: list[bytes], codec: str = "null") -> bytes:
    """An Avro object container file: a header with the schema, then blocks of records."""
    out = b"Obj\1" + long(2) + text("avro.schema") + text(json.dumps(schema)) + text("avro.codec") + text(codec) + long(0) + _SYNC
    for records in blocks:
        data = b"".join(records)
        if codec == "deflate":
            packer = zlib.compressobj(wbits=-15)
            data = packer.compress(data) + packer.flush()
        out += long(len(records)) + text(data) + _SYNC
    return out


def delimited(*records: bytes) -> bytes:
    """Records as FileSource reads them from a file: each behind its length."""
    return b"".join(varint(len(record)) + record for record in records)


def behind_id(number: int, record: bytes, place: bytes = b"") -> bytes:
    """A record in the wire format of a schema registry; `place`: of the message in a Protobuf schema."""
    return struct.pack(">bI", 0, number) + place + record


def schema_registry(schemas: dict[int, tuple[str, str]]) -> str:
    """The address of a registry that knows schemas by id, (type, text), until the tests end; its readers are "reader:secret"."""
    registry = SchemaRegistry("reader:secret")
    registry.schemas = schemas
    atexit.register(registry.stop)
    return registry.url


SCOPE = {made.__name__: made for made in (varint, long, text, field, avro_file, delimited, behind_id, schema_registry)}
