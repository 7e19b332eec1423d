"""Keys from their bytes: docs/formats/value.md, section 2. What comes back equals the key that was encoded."""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

_EPOCH = datetime(1970, 1, 1)
_SIGN = 1 << 63


def decode_key(data: bytes) -> Any:
    """The key: numbers come as int where they are whole, else as float, else as Decimal. ValueError if the bytes are no key."""
    try:
        value, at = _decode(data, 0)
    except (IndexError, struct.error, OverflowError) as error:
        raise ValueError(f"malformed key: {error}") from error
    if at != len(data):
        raise ValueError("malformed key: bytes behind it")
    return value


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    tag = data[at]
    at += 1
    if tag == 0x10:
        return None, at
    if tag == 0x20:
        return _number(data, at)
    if tag == 0x21:
        return float("nan"), at
    if tag in (0x30, 0x40):
        raw, at = _escaped(data, at)
        return (raw if tag == 0x30 else raw.decode()), at
    if tag == 0x50:
        return _items(data, at)
    if tag == 0x65:
        return UUID(bytes=data[at : at + 16]), at + 16
    if tag == 0x70:
        return _object(data, at)
    if not 0x60 <= tag <= 0x64:
        raise ValueError(f"malformed key: tag {tag:#x}")
    number = int.from_bytes(data[at : at + 8], "big") - _SIGN
    return _time(tag, number), at + 8


def _time(tag: int, number: int) -> Any:
    if tag == 0x60:
        return (_EPOCH + timedelta(microseconds=number)).replace(tzinfo=timezone.utc)
    if tag == 0x61:
        return _EPOCH + timedelta(microseconds=number)
    if tag == 0x62:
        return date.fromordinal(number + date(1970, 1, 1).toordinal())
    if tag == 0x63:
        return (_EPOCH + timedelta(microseconds=number)).time() if number >= 0 else time()
    return timedelta(microseconds=number)


def _number(data: bytes, at: int) -> tuple[Any, int]:
    bits = int.from_bytes(data[at : at + 8], "big")
    bits = bits ^ _SIGN if bits & _SIGN else bits ^ (2**64 - 1)
    (value,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    if data[at + 8] == 0:
        return (int(value) if value.is_integer() else value), at + 9
    exponent = int.from_bytes(data[at + 9 : at + 13], "big") - 2**31
    end = data.index(b"\0", at + 13)
    digits = data[at + 13 : end]
    with localcontext() as context:
        context.prec = 5000
        exact = Decimal(value) + Decimal((0, tuple(d - 48 for d in digits), exponent - len(digits)))
    return (int(exact) if exact == exact.to_integral_value() else exact), end + 1


def _escaped(data: bytes, at: int) -> tuple[bytes, int]:
    out = bytearray()
    while True:
        end = data.index(b"\0", at)
        out += data[at:end]
        if data[end + 1] == 0:
            return bytes(out), end + 2
        if data[end + 1] != 0xFF:
            raise ValueError("malformed key: an escape")
        out.append(0)
        at = end + 2


def _items(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
    items = []
    while data[at] != 0:
        item, at = _decode(data, at)
        items.append(item)
    return tuple(items), at + 1


def _object(data: bytes, at: int) -> tuple[Any, int]:
    from dataclasses import fields
    from enum import Enum

    from headrace.codec_py.classes import find_class

    name, at = _escaped(data, at)
    parts, at = _items(data, at)
    cls = find_class(name.decode())
    if issubclass(cls, Enum):
        return cls[parts[0]], at
    made = cls.__new__(cls)
    compared = [f.name for f in fields(cls) if f.compare]
    for field, value in zip(compared, parts):
        object.__setattr__(made, field, value)
    return made, at
