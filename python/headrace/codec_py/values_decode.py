"""Bytes to values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headrace.codec_py.calendar import INT64_MAX, INT64_MIN, MAX_DEPTH, calendar_types
from headrace.codec_py.classes import build_dataclass
from headrace.codec_py.values_encode import AWARE, F64, I64, int_payload


class _Reader:
    __slots__ = ("data", "pos")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0

    def byte(self) -> int:
        if self.pos >= len(self.data):
            raise ValueError("malformed value: it ends too early")
        self.pos += 1
        return self.data[self.pos - 1]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            if shift == 63 and byte > 1:
                break
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("malformed value: a varint has more than 64 bits")

    def zigzag(self) -> int:
        n = self.varint()
        return n >> 1 if n & 1 == 0 else -(n >> 1) - 1

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self.pos:
            raise ValueError("malformed value: a length goes beyond the end")
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def count(self, unit: int) -> int:
        n = self.varint()
        if n > (len(self.data) - self.pos) // unit:
            raise ValueError("malformed value: a length goes beyond the end")
        return n

    def counted(self) -> bytes:
        return self.take(self.varint())


def _decode_big_int(payload: bytes) -> int:
    value = int.from_bytes(payload, "little", signed=True)
    if INT64_MIN <= value <= INT64_MAX or len(payload) != len(int_payload(value)):
        raise ValueError("malformed value: an int is not in its shortest form")
    return value


def _decode_calendar(tag: int, payload: bytes) -> Any:
    known = calendar_types()
    if tag == 0x0E:
        us, offset = AWARE.unpack(payload)
        zone = known.timezone(known.timedelta(seconds=offset)) if offset else known.timezone.utc
        return (known.utc_epoch + known.timedelta(microseconds=us)).astimezone(zone)
    if tag == 0x0F:
        return known.epoch + known.timedelta(microseconds=I64.unpack(payload)[0])
    reader = _Reader(payload)
    if tag == 0x11:
        us = reader.varint()
        if us >= 86_400_000_000:
            raise ValueError("malformed value: a time of day beyond 24 hours")
        return (known.epoch + known.timedelta(microseconds=us)).time()
    n = reader.zigzag()
    return known.date.fromordinal(n + known.day_zero) if tag == 0x10 else known.timedelta(microseconds=n)


def decode_other(tag: int, payload: bytes) -> Any:
    """The leaf with this tag; payload is what follows the tag and, where there is one, the length."""
    try:
        if tag == 0x04:
            return _decode_big_int(payload)
        if tag == 0x0D:
            from decimal import Decimal

            return Decimal(payload.decode())
        if tag == 0x14:
            import pickle

            return pickle.loads(payload)
        if tag == 0x15:
            from uuid import UUID

            return UUID(bytes=payload)
        return _decode_calendar(tag, payload)
    except (ArithmeticError, OverflowError) as error:
        raise ValueError(f"malformed value: tag 0x{tag:02x}: {error}") from error


_FIXED_PAYLOAD: Final = {0x0E: 12, 0x0F: 8, 0x15: 16}


def _decode_leaf(reader: _Reader, tag: int) -> Any:
    if tag in (0x04, 0x0D, 0x14):
        return decode_other(tag, reader.counted())
    if tag in (0x10, 0x11, 0x12):
        start = reader.pos
        reader.varint()
        return decode_other(tag, reader.data[start : reader.pos])
    if tag in _FIXED_PAYLOAD:
        return decode_other(tag, reader.take(_FIXED_PAYLOAD[tag]))
    raise ValueError(f"malformed value: unknown tag 0x{tag:02x}")


_PLAIN: Final[dict[int, Callable[[_Reader], Any]]] = {
    0x00: lambda reader: None,
    0x01: lambda reader: False,
    0x02: lambda reader: True,
    0x03: lambda reader: reader.zigzag(),
    0x05: lambda reader: F64.unpack(reader.take(8))[0],
    0x06: lambda reader: reader.counted().decode(),
    0x07: lambda reader: reader.counted(),
}


def _decode_from(reader: _Reader, depth: int) -> Any:
    tag = reader.byte()
    if tag in _PLAIN:
        return _PLAIN[tag](reader)
    if not (0x08 <= tag <= 0x0C or tag == 0x13):
        return _decode_leaf(reader, tag)
    if depth >= MAX_DEPTH:
        raise ValueError(f"malformed value: nested deeper than {MAX_DEPTH} levels")
    depth += 1
    if tag == 0x13:
        name = reader.counted().decode()
        fields = []
        for _ in range(reader.count(2)):
            field = reader.counted().decode()
            fields.append((field, _decode_from(reader, depth)))
        return build_dataclass(name, fields)
    try:
        if tag == 0x0A:
            made = {}
            for _ in range(reader.count(2)):
                key = _decode_from(reader, depth)
                made[key] = _decode_from(reader, depth)
            return made
        items = [_decode_from(reader, depth) for _ in range(reader.count(1))]
        if tag == 0x09:
            return items
        return tuple(items) if tag == 0x08 else set(items) if tag == 0x0B else frozenset(items)
    except TypeError:
        raise ValueError("malformed value: a dict key or set item is not hashable") from None


def decode(data: bytes) -> Any:
    """The value of these bytes. ValueError if they are malformed or go on after the value."""
    reader = _Reader(bytes(data))
    value = _decode_from(reader, 0)
    if reader.pos != len(reader.data):
        raise ValueError("malformed value: bytes follow after its end")
    return value
