"""Values to bytes."""

from __future__ import annotations

import struct
from typing import Any, Final

from headrace.codec_py.calendar import INT64_MAX, INT64_MIN, MAX_DEPTH, Types, calendar_types, class_of, time_us
from headrace.codec_py.classes import describe_type, descriptions
from headrace.codec_py.varint import counted, varint, zigzag

F64 = struct.Struct("<d")
I64 = struct.Struct("<q")
AWARE = struct.Struct("<qi")


def int_payload(value: int) -> bytes:
    """Two's complement, little-endian, as short as it goes."""
    size = (value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1
    return value.to_bytes(size, "little", signed=True)


def _encode_int(value: int) -> bytes:
    if INT64_MIN <= value <= INT64_MAX:
        return b"\x03" + zigzag(value)
    return b"\x04" + counted(int_payload(value))


def _pickled(value: Any) -> bytes:
    import pickle

    try:
        data = pickle.dumps(value, 5)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        # Classes and functions of __main__ and of local scopes go by value.
        import cloudpickle

        try:
            data = cloudpickle.dumps(value, 5)
        except Exception:  # whatever __reduce__ and __getstate__ of the user's class raise
            raise ValueError(f"a {type(value).__name__} cannot travel between processes: {error}") from error
    return b"\x14" + counted(data)


def _encode_datetime(value: Any, types: Types) -> bytes | None:
    offset = value.utcoffset()
    if offset is None:
        if value.tzinfo is not None or value.fold:
            return None
        return b"\x0f" + I64.pack((value - types.epoch) // types.microsecond)
    if offset.microseconds:
        return None
    return b"\x0e" + AWARE.pack((value - types.utc_epoch) // types.microsecond, offset // types.timedelta(seconds=1))


def _encode_calendar(value: Any, cls: type, types: Types) -> bytes | None:
    if cls is types.datetime:
        return _encode_datetime(value, types)
    if cls is types.date:
        return b"\x10" + zigzag(value.toordinal() - types.day_zero)
    if cls is types.time and value.tzinfo is None and not value.fold:
        return b"\x11" + varint(time_us(value))
    if cls is types.timedelta:
        us = value // types.microsecond
        if INT64_MIN <= us <= INT64_MAX:
            return b"\x12" + zigzag(us)
    return None


def encode_other(value: Any) -> bytes:
    """The encoding of a leaf that is not a str, small int, float, bool, bytes or None: by its own tag, else pickled."""
    cls = type(value)
    if cls is int:
        return _encode_int(value)
    module = cls.__module__
    encoded: bytes | None = None
    if module == "datetime":
        encoded = _encode_calendar(value, cls, calendar_types())
    elif cls is class_of("decimal", "Decimal"):
        encoded = b"\x0d" + counted(str(value).encode())
    elif cls is class_of("uuid", "UUID"):
        encoded = b"\x15" + value.bytes
    return _pickled(value) if encoded is None else encoded


_CONTAINERS: Final[dict[type, bytes]] = {tuple: b"\x08", list: b"\x09", dict: b"\x0a", set: b"\x0b", frozenset: b"\x0c"}


def _encode_into(out: bytearray, value: Any, depth: int) -> None:
    cls = type(value)
    if cls is str:
        try:
            out += b"\x06" + counted(value.encode())
        except UnicodeEncodeError:
            out += _pickled(value)
    elif cls is int:
        out += _encode_int(value)
    elif cls is float:
        out += b"\x05" + F64.pack(value)
    elif value is None:
        out += b"\x00"
    elif cls is bool:
        out += b"\x02" if value else b"\x01"
    elif cls is bytes:
        out += b"\x07" + counted(value)
    elif cls in _CONTAINERS:
        _encode_container(out, value, cls, _deeper(depth))
    else:
        if cls not in descriptions:
            descriptions[cls] = describe_type(cls)
        description = descriptions[cls]
        if description is None:
            out += encode_other(value)
            return
        depth = _deeper(depth)
        out += description[0]
        for name, encoded_name in description[1]:
            out += encoded_name
            _encode_into(out, getattr(value, name), depth)


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH} levels")
    return depth + 1


def _encode_container(out: bytearray, value: Any, cls: type, depth: int) -> None:
    out += _CONTAINERS[cls] + varint(len(value))
    if cls is dict:
        for key, item in value.items():
            _encode_into(out, key, depth)
            _encode_into(out, item, depth)
    elif cls is tuple or cls is list:
        for item in value:
            _encode_into(out, item, depth)
    else:
        items = []
        for item in value:
            encoded = bytearray()
            _encode_into(encoded, item, depth)
            items.append(bytes(encoded))
        out += b"".join(sorted(items))


def encode(value: Any) -> bytes:
    """The value encoding. ValueError if it is nested too deeply or cannot be pickled."""
    out = bytearray()
    _encode_into(out, value, 0)
    return bytes(out)
