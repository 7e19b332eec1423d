"""Values, keys and batch blocks as bytes, in Python alone: the twin of the extension module ``headrace._codec``.

The formats are docs/formats/value.md and the batch block of docs/formats/worker.md; both twins run the same golden
vectors. The extension calls ``encode_other``, ``decode_other``, ``describe_type``, ``build_dataclass`` and
``encode_key_other`` below for everything that is not a plain builtin type.

Errors: ``ValueError`` for malformed bytes and for values that no encoding can carry, ``TypeError`` for what cannot be a key.
Thread: any one at a time (the registry of classes is global).
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 100

#: Stands for "no state yet" in the state column of a batch block.
ABSENT: Final = type("Absent", (), {"__repr__": lambda self: "ABSENT", "__slots__": ()})()

_U32 = struct.Struct("<I")
_F64 = struct.Struct("<d")
_I64 = struct.Struct("<q")
_AWARE = struct.Struct("<qi")
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class _Types:
    """Classes of the standard library that have a tag, imported when the first value needs them."""

    def __init__(self) -> None:
        from datetime import date, datetime, time, timedelta, timezone

        self.datetime, self.date, self.time, self.timedelta, self.timezone = datetime, date, time, timedelta, timezone
        self.microsecond = timedelta(microseconds=1)
        self.day_zero = date(1970, 1, 1).toordinal()
        self.epoch = datetime(1970, 1, 1)
        self.utc_epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)


_types_made: _Types | None = None


def _types() -> _Types:
    global _types_made
    if _types_made is None:
        _types_made = _Types()
    return _types_made


def _class_of(module: str, name: str) -> Any:
    """The class if its module is loaded; a value of it cannot exist otherwise."""
    loaded = sys.modules.get(module)
    return None if loaded is None else getattr(loaded, name)


# ---- classes that travel by name ----

_registered: dict[str, type] = {}


def register_type(cls: type) -> None:
    """Makes a dataclass decodable by name though no import finds it: one defined in ``__main__`` or in a local module."""
    _registered[f"{cls.__module__}:{cls.__qualname__}"] = cls
    _descriptions.clear()
    native = sys.modules.get("headrace._codec")
    if native is not None:
        native.clear_types()


def _find_class(name: str, allow_import: bool) -> Any:
    found = _registered.get(name)
    if found is not None:
        return found
    module, _, qualname = name.partition(":")
    if module not in sys.modules:
        if not allow_import:
            return None
        try:
            __import__(module)
        except ImportError:
            return None
    target: Any = sys.modules[module]
    for part in qualname.split("."):
        target = getattr(target, part, None)
    return target


_descriptions: dict[type, tuple[bytes, tuple[tuple[str, bytes], ...]] | None] = {}


def describe_type(cls: type) -> tuple[bytes, tuple[tuple[str, bytes], ...]] | None:
    """How to encode a dataclass: the bytes before its fields, and each field's name with its encoded form; None: not by name."""
    fields = cls.__dict__.get("__dataclass_fields__")
    if fields is None or isinstance(cls, type) is False:
        return None
    name = f"{cls.__module__}:{cls.__qualname__}"
    if cls.__module__ == "__main__" and name not in _registered:
        return None  # another process has another __main__
    if _find_class(name, allow_import=False) is not cls:
        return None
    # InitVar and ClassVar pseudo-fields are no part of an instance.
    names = [f.name for f in fields.values() if getattr(f._field_type, "name", "") == "_FIELD"]
    head = b"\x13" + _counted(name.encode()) + _varint(len(names))
    return head, tuple((n, _counted(n.encode())) for n in names)


def build_dataclass(name: str, fields: list[tuple[str, Any]]) -> Any:
    """An instance with these fields, made without running ``__init__``. ValueError if the class or a field does not exist."""
    cls = _find_class(name, allow_import=True)
    known = getattr(cls, "__dataclass_fields__", None) if isinstance(cls, type) else None
    if known is None:
        raise ValueError(f"no dataclass {name} can be imported here")
    instance = object.__new__(cls)
    for field, value in fields:
        if field not in known:
            raise ValueError(f"dataclass {name} has no field {field!r}")
        object.__setattr__(instance, field, value)
    return instance


# ---- values to bytes ----


def _varint(n: int) -> bytes:
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _zigzag(n: int) -> bytes:
    return _varint(n << 1 if n >= 0 else (-n << 1) - 1)


def _counted(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _encode_int(value: int) -> bytes:
    if _INT64_MIN <= value <= _INT64_MAX:
        return b"\x03" + _zigzag(value)
    size = (value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1
    return b"\x04" + _counted(value.to_bytes(size, "little", signed=True))


def _pickled(value: Any) -> bytes:
    import pickle

    try:
        data = pickle.dumps(value, 5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        # Classes and functions of __main__ and of local scopes go by value.
        import cloudpickle

        try:
            data = cloudpickle.dumps(value, 5)
        except Exception:
            raise ValueError(f"a {type(value).__name__} cannot travel between processes: {error}") from error
    return b"\x14" + _counted(data)


def _encode_datetime(value: Any, types: _Types) -> bytes | None:
    offset = value.utcoffset()
    if offset is None:
        if value.tzinfo is not None or value.fold:
            return None
        return b"\x0f" + _I64.pack((value - types.epoch) // types.microsecond)
    if offset.microseconds:
        return None
    return b"\x0e" + _AWARE.pack((value - types.utc_epoch) // types.microsecond, offset // types.timedelta(seconds=1))


def _encode_calendar(value: Any, cls: type, types: _Types) -> bytes | None:
    if cls is types.datetime:
        return _encode_datetime(value, types)
    if cls is types.date:
        return b"\x10" + _zigzag(value.toordinal() - types.day_zero)
    if cls is types.time and value.tzinfo is None and not value.fold:
        return b"\x11" + _varint(_time_us(value))
    if cls is types.timedelta:
        us = value // types.microsecond
        if _INT64_MIN <= us <= _INT64_MAX:
            return b"\x12" + _zigzag(us)
    return None


def _time_us(value: Any) -> int:
    us: int = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return us


def encode_other(value: Any) -> bytes:
    """The encoding of a leaf that is not a str, small int, float, bool, bytes or None: by its own tag, else pickled."""
    cls = type(value)
    if cls is int:
        return _encode_int(value)
    module = cls.__module__
    encoded: bytes | None = None
    if module == "datetime":
        encoded = _encode_calendar(value, cls, _types())
    elif cls is _class_of("decimal", "Decimal"):
        encoded = b"\x0d" + _counted(str(value).encode())
    elif cls is _class_of("uuid", "UUID"):
        encoded = b"\x15" + value.bytes
    return _pickled(value) if encoded is None else encoded


_CONTAINERS: Final[dict[type, bytes]] = {tuple: b"\x08", list: b"\x09", dict: b"\x0a", set: b"\x0b", frozenset: b"\x0c"}


def _encode_into(out: bytearray, value: Any, depth: int) -> None:
    cls = type(value)
    if cls is str:
        try:
            out += b"\x06" + _counted(value.encode())
        except UnicodeEncodeError:
            out += _pickled(value)
    elif cls is int:
        out += _encode_int(value)
    elif cls is float:
        out += b"\x05" + _F64.pack(value)
    elif value is None:
        out += b"\x00"
    elif cls is bool:
        out += b"\x02" if value else b"\x01"
    elif cls is bytes:
        out += b"\x07" + _counted(value)
    elif cls in _CONTAINERS:
        _encode_container(out, value, cls, _deeper(depth))
    else:
        if cls not in _descriptions:
            _descriptions[cls] = describe_type(cls)
        description = _descriptions[cls]
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
    out += _CONTAINERS[cls] + _varint(len(value))
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


# ---- bytes to values ----


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
    if _INT64_MIN <= value <= _INT64_MAX or len(payload) != len(_encode_int_payload(value)):
        raise ValueError("malformed value: an int is not in its shortest form")
    return value


def _encode_int_payload(value: int) -> bytes:
    size = (value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1
    return value.to_bytes(size, "little", signed=True)


def _decode_calendar(tag: int, payload: bytes) -> Any:
    types = _types()
    if tag == 0x0E:
        us, offset = _AWARE.unpack(payload)
        zone = types.timezone(types.timedelta(seconds=offset)) if offset else types.timezone.utc
        return (types.utc_epoch + types.timedelta(microseconds=us)).astimezone(zone)
    if tag == 0x0F:
        return types.epoch + types.timedelta(microseconds=_I64.unpack(payload)[0])
    reader = _Reader(payload)
    if tag == 0x11:
        us = reader.varint()
        if us >= 86_400_000_000:
            raise ValueError("malformed value: a time of day beyond 24 hours")
        return (types.epoch + types.timedelta(microseconds=us)).time()
    n = reader.zigzag()
    return types.date.fromordinal(n + types.day_zero) if tag == 0x10 else types.timedelta(microseconds=n)


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
    0x05: lambda reader: _F64.unpack(reader.take(8))[0],
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


# ---- keys ----


def _escaped(data: bytes) -> bytes:
    return data.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _ordered_float(d: float) -> bytes:
    bits: int = struct.unpack("<Q", _F64.pack(d if d != 0 else 0.0))[0]
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return b"\x20" + bits.to_bytes(8, "big")


def _ordered_i64(n: int) -> bytes:
    if not _INT64_MIN <= n <= _INT64_MAX:
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


def _calendar_key(value: Any, types: _Types) -> bytes | None:
    if isinstance(value, types.datetime):
        if value.utcoffset() is None:
            return b"\x61" + _ordered_i64((value.replace(tzinfo=None) - types.epoch) // types.microsecond)
        return b"\x60" + _ordered_i64((value - types.utc_epoch) // types.microsecond)
    if isinstance(value, types.date):
        return b"\x62" + _ordered_i64(value.toordinal() - types.day_zero)
    if isinstance(value, types.time) and value.tzinfo is None:
        return b"\x63" + _ordered_i64(_time_us(value))
    if isinstance(value, types.timedelta):
        return b"\x64" + _ordered_i64(value // types.microsecond)
    return None


def _is(value: Any, module: str, name: str) -> bool:
    cls = _class_of(module, name)
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
    key = _calendar_key(value, _types()) if "datetime" in sys.modules else None
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


# ---- batch blocks ----

ROLE_VALUE, ROLE_KEY, ROLE_GROUP, ROLE_STATE, ROLE_COUNTS = range(5)
FORM_ENCODED, FORM_UTF8, FORM_INT64, FORM_FLOAT64, FORM_BOOL, FORM_BYTES = range(6)

_BLOCK = struct.Struct("<II")
_COLUMN = struct.Struct("<IIQQQQQQ")
_MAX_COLUMNS: Final = 16
_FORM_OF: Final[dict[type, int]] = {int: FORM_INT64, str: FORM_UTF8, float: FORM_FLOAT64, bool: FORM_BOOL, bytes: FORM_BYTES}


def _choose_form(rows: list[Any]) -> int:
    types = {type(row) for row in rows}
    form = _FORM_OF.get(types.pop(), FORM_ENCODED) if len(types) == 1 else FORM_ENCODED
    if form == FORM_INT64 and not all(_INT64_MIN <= row <= _INT64_MAX for row in rows):
        return FORM_ENCODED
    if form == FORM_UTF8:
        try:
            for row in rows:
                row.encode()
        except UnicodeEncodeError:
            return FORM_ENCODED
    return form


def _fixed(form: int, rows: list[Any]) -> bytes:
    code = {FORM_INT64: "q", FORM_FLOAT64: "d", FORM_BOOL: "B"}[form]
    return struct.pack(f"<{len(rows)}{code}", *rows)


def _variable(role: int, form: int, rows: list[Any]) -> tuple[bytes, bytes]:
    if role == ROLE_KEY:
        parts = [encode_key(row) for row in rows]
    elif form == FORM_ENCODED:
        parts = [b"" if row is ABSENT else encode(row) for row in rows]
    elif form == FORM_UTF8:
        parts = [row.encode() for row in rows]
    else:
        parts = rows
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets)}q", *offsets), b"".join(parts)


def _add_section(out: bytearray, data: bytes) -> int:
    out += bytes(-len(out) % 64)
    at = len(out)
    out += data
    return at


def encode_block(columns: list[tuple[int, list[Any]]]) -> bytes:
    """A batch block of (role, rows) columns; forms are chosen per column, key rows are key-encoded."""
    if not 1 <= len(columns) <= _MAX_COLUMNS:
        raise ValueError("a block takes a list of 1 to 16 columns")
    out = bytearray(_BLOCK.size + len(columns) * _COLUMN.size)
    _BLOCK.pack_into(out, 0, len(columns[0][1]), len(columns))
    for index, (role, rows) in enumerate(columns):
        form = _role_form(role)
        if form is None:
            form = _choose_form(rows)
        offsets_at = validity_at = 0
        if role == ROLE_STATE and any(row is ABSENT for row in rows):
            validity_at = _add_section(out, bytes(row is not ABSENT for row in rows))
        if form in (FORM_INT64, FORM_FLOAT64, FORM_BOOL):
            data = _fixed(form, rows)
        else:
            offsets, data = _variable(role, form, rows)
            offsets_at = _add_section(out, offsets)
        data_at = _add_section(out, data)
        head = (role, form, len(rows), offsets_at, data_at, len(data), validity_at, 0)
        _COLUMN.pack_into(out, _BLOCK.size + index * _COLUMN.size, *head)
    return bytes(out)


def _role_form(role: int) -> int | None:
    if role == ROLE_KEY:
        return FORM_BYTES
    if role == ROLE_STATE:
        return FORM_ENCODED
    return FORM_INT64 if role in (ROLE_GROUP, ROLE_COUNTS) else None


def _section(data: bytes, at: int, length: int) -> bytes:
    if at % 64 or at > len(data) or length > len(data) - at:
        raise ValueError("malformed batch block: a section lies outside the block or is not aligned")
    return data[at : at + length]


def _decode_variable(form: int, offsets: tuple[int, ...], data: bytes) -> list[Any]:
    if offsets[0] != 0 or offsets[-1] > len(data) or any(a > b for a, b in itertools.pairwise(offsets)):
        raise ValueError("malformed batch block: offsets fall or go beyond the data")
    return [data[a:b] for a, b in itertools.pairwise(offsets)]


def _decode_rows(data: bytes, head: tuple[int, ...]) -> list[Any]:
    role, form, rows, offsets_at, data_at, data_length, validity_at, _ = head
    if role > ROLE_COUNTS or form > FORM_BYTES or rows > len(data):
        raise ValueError("malformed batch block: unknown role or form, or more rows than bytes")
    body = _section(data, data_at, data_length)
    if validity_at and role != ROLE_STATE:
        raise ValueError("malformed batch block: only the state column has validity")
    present = _section(data, validity_at, rows) if validity_at else bytes([1]) * rows
    if form in (FORM_INT64, FORM_FLOAT64, FORM_BOOL):
        code, width = {FORM_INT64: ("q", 8), FORM_FLOAT64: ("d", 8), FORM_BOOL: ("?", 1)}[form]
        if len(body) < rows * width:
            raise ValueError("malformed batch block: a column is shorter than its rows")
        values: list[Any] = list(struct.unpack_from(f"<{rows}{code}", body))
    else:
        values = _decode_variable(form, struct.unpack(f"<{rows + 1}Q", _section(data, offsets_at, (rows + 1) * 8)), body)
    if form == FORM_UTF8:
        return [v.decode() if p else ABSENT for v, p in zip(values, present)]
    if form == FORM_ENCODED:
        return [decode(v) if p else ABSENT for v, p in zip(values, present)]
    return [v if p else ABSENT for v, p in zip(values, present)]


def decode_block(data: bytes) -> list[tuple[int, int, list[Any]]]:
    """The columns of a batch block as (role, form, rows); absent state rows are ABSENT. ValueError if malformed."""
    data = bytes(data)
    if len(data) < _BLOCK.size:
        raise ValueError("malformed batch block: shorter than its header")
    rows, count = _BLOCK.unpack_from(data)
    if count > _MAX_COLUMNS or len(data) < _BLOCK.size + count * _COLUMN.size:
        raise ValueError("malformed batch block: too many columns")
    columns = []
    for index in range(count):
        head = _COLUMN.unpack_from(data, _BLOCK.size + index * _COLUMN.size)
        if head[0] not in (ROLE_STATE, ROLE_COUNTS) and head[2] != rows:
            raise ValueError("malformed batch block: columns of different lengths")
        columns.append((head[0], head[1], _decode_rows(data, head)))
    return columns


class Arena:
    """A memfd mapped into this process; owns the mapping, not the descriptor. One thread uses it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._map: mmap.mmap | None = None

    def size(self) -> int:
        """Bytes mapped."""
        return 0 if self._map is None else len(self._map)

    def _remap(self, size: int) -> None:
        if self._map is not None:
            self._map.close()
        self._map = mmap.mmap(self._fd, size)

    def _grow(self, need: int) -> None:
        size = max(need, self.size() * 3 // 2)
        size = -(-size // 65536) * 65536
        os.ftruncate(self._fd, size)
        self._remap(size)

    def map(self, size: int) -> None:
        """Maps at least size bytes of a file that the other side has grown. ValueError if it is shorter."""
        if size > self.size():
            if os.fstat(self._fd).st_size < size:
                raise ValueError("the arena is shorter than announced")
            self._remap(size)

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size():
            raise ValueError("a body lies outside its arena")
        return b"" if self._map is None else self._map[offset : offset + length]

    def read_block(self, offset: int, length: int) -> list[tuple[int, int, list[Any]]]:
        return decode_block(self.read(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        """Grows the file when needed."""
        if offset + len(data) > self.size():
            self._grow(offset + len(data))
        if self._map is not None:
            self._map[offset : offset + len(data)] = data

    def write_block(self, offset: int, columns: list[tuple[int, list[Any]]]) -> int:
        """Writes the block and gives its length."""
        block = encode_block(columns)
        self.write(offset, block)
        return len(block)


def clear_types() -> None:
    """Forgets what was learned about classes, after one was registered."""
    _descriptions.clear()
