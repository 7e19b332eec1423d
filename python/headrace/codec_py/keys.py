"""Keys to bytes: equal for equal values, ordered as they are."""

from __future__ import annotations

import struct
import sys
from typing import Any

from headrace.codec_py.calendar import INT64_MAX, INT64_MIN, MAX_DEPTH, Types, calendar_types, class_of, time_us
from headrace.codec_py.values_encode import F64


def _escaped(data: bytes) -> bytes:
    return data.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _ordered_float(d: float) -> bytes:
    bits: int = struct.unpack("<Q", F64.pack(d if d != 0 else 0.0))[0]
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return b"\x20" + bits.to_bytes(8, "big")


def _ordered_i64(n: int) -> bytes:
    if not INT64_MIN <= n <= INT64_MAX:
        raise ValueError("a key must be hashable and comparable by value: this timedelta is beyond 64 bits of microseconds")
    return (n + 2**63).to_bytes(8, "big")


def _number_key(value: Any, exact: tuple[int, int]) -> bytes:
    """value as a number key; exact is (numerator, denominator)."""
    import math

    numerator, denominator = exact
    try:
        d = numerator / denominator
    except OverflowError:
        raise ValueError("a key must be hashable and comparable by value: a finite number beyond float64 cannot be one") from None
    n, m = d.as_integer_ratio()
    if n * denominator > numerator * m:
        d = math.nextafter(d, -math.inf)
        if math.isinf(d):
            raise ValueError("a key must be hashable and comparable by value: a finite number beyond float64 cannot be one")
        n, m = d.as_integer_ratio()
    if n * denominator == numerator * m:
        return _ordered_float(d) + b"\x00"
    # The remainder is a fraction over 2^a 5^b: multiply until it is whole; its digits are then exact.
    num, den = numerator * m - n * denominator, denominator * m
    common = math.gcd(num, den)
    num, den = num // common, den // common
    twos = (den & -den).bit_length() - 1
    fives, rest = 0, den >> twos
    while rest > 1:
        rest //= 5
        fives += 1
    scale = max(twos, fives)
    digits = _decimal_digits(num * 10**scale // den)
    exponent = len(digits) - scale
    return _ordered_float(d) + b"\x01" + (exponent + 2**31).to_bytes(4, "big") + digits.rstrip(b"0") + b"\x00"


def _decimal_digits(n: int) -> bytes:
    """str(n) without the interpreter's limit on the digits of an int."""
    if n < 10**4000:
        return str(n).encode()
    half = n.bit_length() * 3 // 20
    high, low = divmod(n, 10**half)
    return _decimal_digits(high) + _decimal_digits(low).rjust(half, b"0")


def _decimal_key(value: Any) -> bytes:
    if value.is_nan():
        return b"\x21"
    if value.is_infinite():
        return _ordered_float(float(value)) + b"\x00"
    if value == 0:
        return _ordered_float(0.0) + b"\x00"
    if value.adjusted() > 400 or value.as_tuple().exponent < -2000:
        raise ValueError(
            "a key must be hashable and comparable by value: a Decimal with an exponent beyond -2000 or 400 cannot be one"
        )
    return _number_key(value, value.as_integer_ratio())


def _calendar_key(value: Any, types: Types) -> bytes | None:
    if isinstance(value, types.datetime):
        if value.utcoffset() is None:
            return b"\x61" + _ordered_i64((value.replace(tzinfo=None) - types.epoch) // types.microsecond)
        return b"\x60" + _ordered_i64((value - types.utc_epoch) // types.microsecond)
    if isinstance(value, types.date):
        return b"\x62" + _ordered_i64(value.toordinal() - types.day_zero)
    if isinstance(value, types.time) and value.tzinfo is None:
        return b"\x63" + _ordered_i64(time_us(value))
    if isinstance(value, types.timedelta):
        return b"\x64" + _ordered_i64(value // types.microsecond)
    return None


def _is(value: Any, module: str, name: str) -> bool:
    cls = class_of(module, name)
    return cls is not None and isinstance(value, cls)


def _object_key(value: Any, depth: int) -> bytes | None:
    cls = type(value)
    name = f"{cls.__module__}:{cls.__qualname__}"
    if _is(value, "enum", "Enum"):
        return b"\x70" + _escaped(name.encode()) + b"\x40" + _escaped(value.name.encode()) + b"\x00"
    params = cls.__dict__.get("__dataclass_params__")
    if params is None or not (params.frozen and params.eq):
        return None
    fields = [f.name for f in cls.__dataclass_fields__.values() if f.compare and getattr(f._field_type, "name", "") == "_FIELD"]
    return b"\x70" + _escaped(name.encode()) + b"".join(_key(getattr(value, f), depth) for f in fields) + b"\x00"


def encode_key_other(value: Any, depth: int = 0) -> bytes:
    """The key encoding of what is not a str, bytes, small int, float, tuple or None. TypeError if it cannot be a key."""
    if isinstance(value, int):
        return _number_key(value, (value, 1))
    if _is(value, "decimal", "Decimal"):
        return _decimal_key(value)
    if _is(value, "uuid", "UUID"):
        return b"\x65" + bytes(value.bytes)
    key = _calendar_key(value, calendar_types()) if "datetime" in sys.modules else None
    if key is None:
        if depth >= MAX_DEPTH:
            raise ValueError(f"the key is nested deeper than {MAX_DEPTH} levels")
        key = _object_key(value, depth + 1)
    if key is None:
        raise TypeError(f"a key must be hashable and comparable by value: a {type(value).__name__} cannot be one")
    return key


def _key(value: Any, depth: int) -> bytes:
    if isinstance(value, str):
        try:
            return b"\x40" + _escaped(value.encode())
        except UnicodeEncodeError:
            raise ValueError("a str with lone surrogates cannot be a key") from None
    if isinstance(value, tuple):
        if depth >= MAX_DEPTH:
            raise ValueError(f"the key is nested deeper than {MAX_DEPTH} levels")
        return b"\x50" + b"".join(_key(item, depth + 1) for item in value) + b"\x00"
    if isinstance(value, float):
        return b"\x21" if value != value else _ordered_float(float(value)) + b"\x00"
    if value is None:
        return b"\x10"
    if isinstance(value, bytes):
        return b"\x30" + _escaped(value)
    return encode_key_other(value, depth)


def encode_key(value: Any) -> bytes:
    """The key encoding: equal for equal values, ordered as they are. TypeError or ValueError if the value cannot be a key."""
    return _key(value, 0)
