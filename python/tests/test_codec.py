"""Both twins of the codec over the golden vectors and over random values."""

from __future__ import annotations

import datetime as dt
import math
import random
import struct
import subprocess
import sys
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import vectors
from vector_types import City, Color, Level, Pair, Point, Tree, Visit

from headrace import _codec, codec_py

TWINS = [pytest.param(_codec, id="native"), pytest.param(codec_py, id="pure")]
GOLDEN = vectors.load()


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, NaN like NaN, through containers."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
    if isinstance(a, Decimal):
        return str(a) == str(b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(x, y) for x, y in zip(a.values(), b.values()))
    if isinstance(a, dt.datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    return bool(a == b)


@pytest.mark.parametrize("codec", TWINS)
@pytest.mark.parametrize("row", GOLDEN["values"], ids=lambda row: row["name"])
def test_golden_value(codec: Any, row: dict[str, Any]) -> None:
    value = vectors.evaluate(row["python"])
    encoded = codec.encode(value)
    if "value_hex" in row:
        assert encoded.hex() == row["value_hex"]
    else:
        assert encoded[0] == 0x14
    assert same(codec.decode(encoded), value)
    if "key_hex" in row:
        assert codec.encode_key(value).hex() == row["key_hex"]
    else:
        with pytest.raises((TypeError, ValueError)) as caught:
            codec.encode_key(value)
        assert caught.type.__name__ == row["key_error"]


@pytest.mark.parametrize("codec", TWINS)
@pytest.mark.parametrize("group", GOLDEN["key_order"], ids=lambda row: row["name"])
def test_golden_key_order(codec: Any, group: dict[str, Any]) -> None:
    previous = b""
    for row in group["ascending"]:
        keys = {codec.encode_key(vectors.evaluate(e)) for e in row["python"]}
        assert keys == {bytes.fromhex(row["key_hex"])}
        assert previous < min(keys), row
        previous = min(keys)


@pytest.mark.parametrize("codec", TWINS)
@pytest.mark.parametrize("row", GOLDEN["malformed_values"], ids=lambda row: row["name"])
def test_malformed_value_is_refused(codec: Any, row: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        codec.decode(bytes.fromhex(row["value_hex"]))


def test_vectors_file_is_what_the_sources_say() -> None:
    assert vectors.make() == GOLDEN


def test_hand_written_bytes() -> None:
    # Not produced by any encoder: worked out from the page by hand.
    assert codec_py.encode(("ab", -3)).hex() == "0802" + "06026162" + "0305"
    assert codec_py.encode(2**63).hex() == "0409" + "00" * 7 + "8000"
    assert codec_py.encode_key(("a\0", 1)).hex() == "50" + "40" + "6100ff" + "0000" + "20bff0000000000000" + "00" + "00"
    assert codec_py.encode_key(2**53 + 1).hex() == "20" + "c340000000000000" + "01" + "80000001" + "31" + "00"


def dataclass_bytes(name: str, *fields: tuple[str, Any]) -> bytes:
    def counted(text: str) -> bytes:
        return bytes([len(text)]) + text.encode()

    body = b"".join(counted(field) + codec_py.encode(value) for field, value in fields)
    return b"\x13" + counted(f"vector_types:{name}") + bytes([len(fields)]) + body


@pytest.mark.parametrize("codec", TWINS)
def test_a_dataclass_is_whole_or_refused(codec: Any) -> None:
    whole = (("country", "NL"), ("zip_code", 1))
    assert codec.decode(dataclass_bytes("City", *whole)) == City("NL", 1)
    assert codec.decode(dataclass_bytes("Visit", ("city", "A"))) == Visit("A", 0, [])
    for fields, told in [
        (whole[:1], "needs its field 'zip_code'"),
        ((*whole, ("mayor", "x")), "no field 'mayor'"),
        ((*whole, whole[0]), "a field twice"),
        ((*whole, ("capital", "Amsterdam")), "no field 'capital'"),
    ]:
        with pytest.raises(ValueError, match=told):
            codec.decode(dataclass_bytes("City", *fields))
    half_made_in_a_set = b"\x0b\x01" + dataclass_bytes("City", whole[0])
    with pytest.raises(ValueError, match="zip_code"):
        codec.decode(half_made_in_a_set)


# ---- random ----


def random_value(r: random.Random, depth: int = 0) -> Any:
    kind = r.randrange(20 if depth < 4 else 14)
    size = r.choice([0, 1, 2, 3, 7])
    if kind < 3:
        return r.choice([None, True, False])
    if kind == 3:
        return r.getrandbits(r.randrange(1, 140)) * r.choice([1, -1])
    if kind == 4:
        return struct.unpack("d", r.randbytes(8))[0]
    if kind == 5:
        return r.choice([0.0, -0.0, 1.5, float(r.randrange(10**6))])
    if kind in (6, 7):
        return "".join(r.choice("ab\0é€\U0001f6b0\ud800" if r.random() < 0.1 else "ab\0é€") for _ in range(size * 20))
    if kind == 8:
        return r.randbytes(size * 10)
    if kind == 9:
        return Decimal(r.randrange(-(10**20), 10**20)).scaleb(r.randrange(-30, 30))
    if kind == 10:
        zone = dt.timezone(dt.timedelta(seconds=r.randrange(-80000, 80000)))
        return dt.datetime(r.randrange(2, 9998), 3, 4, 5, 6, 7, r.randrange(10**6), r.choice([None, zone, dt.timezone.utc]))
    if kind == 11:
        return r.choice(
            [dt.date.fromordinal(r.randrange(1, 3 * 10**6)), dt.timedelta(microseconds=r.randrange(-(10**18), 10**18))]
        )
    if kind == 12:
        return r.choice(
            [UUID(int=r.getrandbits(128)), dt.time(r.randrange(24), 1, 2, r.randrange(10**6)), Color.BLUE, Pair(1, "x")]
        )
    if kind == 13:
        return r.choice([Point(r.randrange(10), 0.5), City("NL", r.randrange(10)), Level.HIGH])
    items = [random_value(r, depth + 1) for _ in range(size)]
    if kind in (14, 15):
        return tuple(items)
    if kind == 16:
        return items
    if kind == 17:
        return Point(items, tuple(items))  # type: ignore[arg-type]
    hashable = [i for i in items if _hashable(i) and i == i]
    if kind == 18:
        return {k: random_value(r, depth + 1) for k in hashable}
    return r.choice([set, frozenset])(hashable)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def seeded() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except (TypeError, ValueError) as error:
        return type(error)


def test_twins_agree_on_random_values() -> None:
    r = seeded()
    for _ in range(3000):
        value = random_value(r)
        encoded = _codec.encode(value)
        assert encoded == codec_py.encode(value), value
        assert codec_py.encode(_codec.decode(encoded)) == encoded, value
        assert _codec.encode(codec_py.decode(encoded)) == encoded, value
        assert outcome(_codec.encode_key, value) == outcome(codec_py.encode_key, value), value


def test_twins_refuse_the_same_damaged_bytes() -> None:
    r = seeded()
    for _ in range(3000):
        data = bytearray(_codec.encode(random_value(r)))
        if b"\x14" in data:
            continue  # damaged pickles run code
        for _ in range(r.randrange(1, 4)):
            data[r.randrange(len(data))] = r.choice([0, 1, 5, 8, 9, 10, 0x7F, 0x80, 0xFF])
        data = data[: r.randrange(1, len(data) + 1)] if r.random() < 0.3 else data
        if b"\x14" in data:
            continue
        ours, theirs = outcome(_codec.decode, bytes(data)), outcome(codec_py.decode, bytes(data))
        refused = (
            isinstance(ours, type) and issubclass(ours, ValueError),
            isinstance(theirs, type) and issubclass(theirs, ValueError),
        )
        assert refused[0] == refused[1], data.hex()
        if not refused[0]:
            assert codec_py.encode(ours) == codec_py.encode(theirs), data.hex()


def random_number(r: random.Random) -> Any:
    kind = r.randrange(6)
    if kind == 0:
        return r.randrange(-(2**70), 2**70)
    if kind == 1:
        return r.choice([1, -1]) * (2**53 + r.randrange(-3, 2000))
    if kind == 2:
        return float(r.randrange(-(2**60), 2**60))
    if kind == 3:
        return r.uniform(-10, 10)
    if kind == 4:
        return Decimal(repr(r.uniform(-3, 3))) + Decimal(r.randrange(3)).scaleb(-r.randrange(1, 25))
    return r.randrange(-5, 5)


def test_keys_of_random_numbers_order_as_python_does() -> None:
    r = seeded()
    for _ in range(5000):
        a, b = random_number(r), random_number(r)
        ka, kb = _codec.encode_key(a), _codec.encode_key(b)
        assert (ka < kb) == (a < b) and (ka == kb) == (a == b), (a, b)
        ta, tb = _codec.encode_key((a, "x")), _codec.encode_key((b, "x"))
        assert (ta < tb) == (a < b), (a, b)


def test_keys_of_random_strings_order_as_python_does() -> None:
    r = seeded()
    for _ in range(3000):
        a, b = ("".join(r.choice("\0\1ab\uffff\U00010000") for _ in range(r.randrange(6))) for _ in range(2))
        assert (_codec.encode_key(a) < _codec.encode_key(b)) == (a < b)
        assert (_codec.encode_key((a, 1)) < _codec.encode_key((b, 0))) == ((a, 1) < (b, 0))


# ---- limits ----


def nested(shape: Any, depth: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(depth):
        value = shape(value)
    return value


LIMITS: list[Any] = [
    2**4000, -(2**4000), 2**4000 - 1, -(2**63), 2**63, -0.0, (0.0, -0.0), struct.unpack("d", b"\x01" + bytes(5) + b"\xf8\xff")[0],
    "x" * 10_000_000, "é\0" * 5_000_000, b"\0" * 10_000_000, "\ud800", "a\udfff" * 1000, ("\ud800", 1),
    {"z": 1, "a": 2, 3: {"y": None, "b": -0.0}}, {-0.0: 1}, {True: 1, 2: 2}, set(range(3000)), list(range(100_000)),
]  # fmt: skip


@pytest.mark.parametrize(
    "value", LIMITS, ids=lambda v: repr(v)[:20] if not isinstance(v, int) else f"int of {v.bit_length()} bits"
)
def test_twins_agree_at_the_limits(value: Any) -> None:
    encoded = _codec.encode(value)
    assert encoded == codec_py.encode(value)
    assert same(_codec.decode(encoded), value) and same(codec_py.decode(encoded), value)
    assert outcome(_codec.encode_key, value) == outcome(codec_py.encode_key, value)
    block = _codec.encode_block([(0, [value, value])])
    assert block == codec_py.encode_block([(0, [value, value])])
    assert same(_codec.decode_block(block)[0][2], [value, value])


@pytest.mark.parametrize("depth", [99, 100, 101, 150])
def test_twins_agree_on_how_deep_is_too_deep(depth: int) -> None:
    shapes = (
        lambda v: (v,),
        lambda v: [v],
        lambda v: {"k": v},
        lambda v: frozenset([v]),
        lambda v: Point(v, 0.5),
        lambda v: Tree(v, 1),
    )
    for leaf in (1, UUID(int=1), "\ud800", 2**70):
        for shape in shapes:
            value = nested(shape, depth, leaf)
            encoded = outcome(_codec.encode, value)
            assert encoded == outcome(codec_py.encode, value)
            assert (encoded is ValueError) is (depth > 100)
            assert outcome(_codec.encode_key, value) == outcome(codec_py.encode_key, value)
    # A frozen dataclass continues the count of the tuples around it.
    mixed = nested(lambda v: (v,), 60, Tree(nested(lambda v: (v,), depth - 60, 1), 1))
    assert outcome(_codec.encode_key, mixed) == outcome(codec_py.encode_key, mixed)


def test_dict_order_survives_both_ways() -> None:
    value = {f"k{i * 7919 % 1000}": i for i in range(1000)}
    for writer in (_codec, codec_py):
        for reader in (_codec, codec_py):
            assert list(reader.decode(writer.encode(value))) == list(value)


# ---- classes ----


def test_class_of_main_travels_by_value_and_by_name_once_registered() -> None:
    script = """
import pickle, subprocess, sys
from dataclasses import dataclass
from headrace import codec, codec_py, _codec
@dataclass
class Local:
    a: int
for twin in (_codec, codec_py):
    assert twin.encode(Local(1))[0] == 0x14, twin
    assert twin.decode(twin.encode(Local(1))) == Local(1), twin
codec.register_type(Local)
for twin in (_codec, codec_py):
    assert twin.encode(Local(1))[0] == 0x13, twin
    assert twin.decode(twin.encode(Local(1))) == Local(1), twin
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("codec", TWINS)
def test_what_cannot_travel_is_named(codec: Any) -> None:
    with pytest.raises(ValueError, match="generator cannot travel"):
        codec.encode(x for x in ())
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested deeper than 100"):
        codec.encode(loop)
    with pytest.raises(TypeError, match="a key must be hashable and comparable by value: a list cannot be one"):
        codec.encode_key((1, [2]))
    with pytest.raises(ValueError):
        codec.encode_key("\ud800")


# ---- blocks ----


def columns(codec: Any, data: bytes) -> Any:
    return codec.decode_block(data)


COLUMNS = [
    ([], 0), (["a", "", "é\0"], 1), ([1, -(2**63), 2**63 - 1], 2), ([1, 2**63], 0), ([0.5, math.inf, -0.0], 3), ([True, False], 4),
    ([b"", b"\0\xff"], 5), ([None], 0), (["a", None], 0), ([1, True], 0), ([1, 1.0], 0), (["\ud800"], 0),
    ([("w", 1), ("x", 2)], 0), ([Pair(1, "x")], 0),
]  # fmt: skip


@pytest.mark.parametrize("codec", TWINS)
@pytest.mark.parametrize(("rows", "form"), COLUMNS, ids=lambda x: repr(x)[:30])
def test_block_takes_the_native_form_that_fits(codec: Any, rows: list[Any], form: int) -> None:
    data = codec.encode_block([(0, rows)])
    assert data == codec_py.encode_block([(0, rows)])
    ((role, got_form, got),) = codec.decode_block(data)
    assert (role, got_form) == (0, form)
    assert same(got, rows)


@pytest.mark.parametrize("codec", TWINS)
def test_block_of_many_columns(codec: Any) -> None:
    values = [("w", i) for i in range(100)]
    absent = codec_py.ABSENT
    states = [absent if i % 3 == 0 else ("w", i) for i in range(7)]
    block = codec.encode_block([(0, values), (2, [i % 7 for i in range(100)]), (3, states)])
    assert block == codec_py.encode_block([(0, values), (2, [i % 7 for i in range(100)]), (3, states)])
    assert codec.decode_block(block) == [(0, 0, values), (2, 2, [i % 7 for i in range(100)]), (3, 0, states)]
    for native in ([absent, 1], [absent, "a"], [absent, 1.5], [absent, True], [absent], [absent, b"x"]):
        block = codec.encode_block([(0, [1]), (3, native)])
        assert block == codec_py.encode_block([(0, [1]), (3, native)])
        got = codec.decode_block(block)[1]
        assert got[2] == native
    block = codec.encode_block([(0, ["a", "b"]), (1, ["k", 1])])
    assert codec.decode_block(block)[1] == (1, 5, [codec_py.encode_key("k"), codec_py.encode_key(1)])


def test_damaged_blocks_are_refused_by_both_twins() -> None:
    r = seeded()
    good = codec_py.encode_block([(0, ["a", "bc", "d"]), (2, [0, 1, 0]), (3, [codec_py.ABSENT, 5])])
    refused = 0
    for _ in range(4000):
        data = bytearray(good)
        for _ in range(r.randrange(1, 3)):
            data[r.randrange(len(data) if r.random() < 0.2 else 176)] = r.choice([0, 1, 2, 3, 4, 5, 8, 64, 0x7F, 0x80, 0xFF])
        data = data[: r.randrange(len(data))] if r.random() < 0.1 else data
        ours, theirs = outcome(_codec.decode_block, bytes(data)), outcome(codec_py.decode_block, bytes(data))
        assert isinstance(ours, type) == isinstance(theirs, type), data.hex()
        refused += isinstance(ours, type)
        if not isinstance(ours, type):
            assert same(ours, theirs)
    assert refused > 500


@pytest.mark.parametrize("writer", [_codec, codec_py], ids=["native", "pure"])
@pytest.mark.parametrize("reader", [_codec, codec_py], ids=["native", "pure"])
def test_arena_grows_and_the_other_side_follows(writer: Any, reader: Any) -> None:
    import os

    fd = os.memfd_create("arena", os.MFD_CLOEXEC)
    try:
        ours, theirs = writer.Arena(fd), reader.Arena(fd)
        for count in (1, 1000, 100_000):
            rows = [("word", i) for i in range(count)]
            length = ours.write_block(64, [(0, rows)])
            ours.write(0, b"head")
            theirs.map(ours.size())
            assert theirs.read(0, 4) == b"head"
            assert theirs.read_block(64, length) == [(0, 0, rows)]
        with pytest.raises(ValueError):
            theirs.read(ours.size() - 3, 4)
        with pytest.raises(ValueError):
            theirs.map(ours.size() * 2)
    finally:
        os.close(fd)
