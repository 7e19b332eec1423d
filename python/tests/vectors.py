"""Writes and reads docs/formats/value_vectors.json. `python tests/vectors.py` rewrites it from the sources below.

Rewriting is for new vectors only: an existing vector that changes means that state and job files of yesterday can no longer be read.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import vector_types
from vector_types import City, Color, Level, Pair, Point, Tree

PATH = Path(__file__).resolve().parents[2] / "docs" / "formats" / "value_vectors.json"

SCOPE: dict[str, Any] = {
    "datetime": dt.datetime, "date": dt.date, "time": dt.time, "timedelta": dt.timedelta, "timezone": dt.timezone,
    "Decimal": Decimal, "UUID": UUID, "inf": float("inf"), "nan": float("nan"), "vector_types": vector_types,
    "City": City, "Color": Color, "Level": Level, "Pair": Pair, "Point": Point, "Tree": Tree,
}  # fmt: skip

#: (name, expression, has a value vector). Pickles are not golden: their bytes may differ between Python versions.
VALUES: list[tuple[str, str, bool]] = [
    ("none", "None", True),
    ("false", "False", True),
    ("true", "True", True),
    *((f"int {n}", n, True) for n in ("0", "1", "-1", "63", "64", "-64", "-65", "300", "2**31", "2**53", "2**53 + 1")),
    *((f"int {n}", n, True) for n in ("-2**53 - 1", "2**62 + 12345", "2**63 - 1", "-2**63", "-2**63 + 1", "2**63")),
    *((f"int {n}", n, True) for n in ("-2**63 - 1", "2**64", "-2**64", "2**71 - 1", "2**71", "-2**71", "10**30", "-10**30 + 1")),
    ("int beyond float64", "10**309", True),
    *((f"float {n}", n, True) for n in ("0.0", "-0.0", "1.0", "-1.5", "0.1", "1e308", "-1e308", "5e-324", "inf", "-inf", "nan")),
    ("str empty", "''", True),
    ("str ascii", "'headrace'", True),
    ("str zero byte", r"'a\x00b'", True),
    ("str of many planes", r"'\u00e9\u20ac\U0001F6B0'", True),
    ("str of 200", "'x' * 200", True),
    ("str with a lone surrogate", r"'a\ud800'", False),
    ("bytes empty", "b''", True),
    ("bytes", r"b'\x00\xff\x00\x00a'", True),
    ("tuple empty", "()", True),
    ("tuple word count", "('word', 1)", True),
    ("tuple nested", "(1, ('a', None), (), b'z')", True),
    ("list", "[1, 'two', 3.0, None, True]", True),
    ("dict", "{'b': 1, 'a': [2, 3], 4: None}", True),
    ("dict empty", "{}", True),
    ("set", "{3, 'b', 1, 'a'}", True),
    ("set empty", "set()", True),
    ("frozenset", "frozenset({(1, 2), (1,)})", True),
    ("decimal", "Decimal('1.50')", True),
    ("decimal of an int", "Decimal('1')", True),
    ("decimal between floats", "Decimal('0.1')", True),
    ("decimal negative between floats", "Decimal('-0.1')", True),
    ("decimal tiny", "Decimal('1E-400')", True),
    ("decimal of many digits", "Decimal('12345678901234567890.123456789')", True),
    ("decimal nan", "Decimal('NaN')", True),
    ("decimal infinity", "Decimal('-Infinity')", True),
    ("decimal negative zero", "Decimal('-0.00')", True),
    ("decimal beyond float64", "Decimal('1E+400')", True),
    ("decimal too fine for a key", "Decimal('1E-2001')", True),
    ("aware datetime utc", "datetime(2024, 2, 29, 12, 30, 15, 250000, tzinfo=timezone.utc)", True),
    ("aware datetime offset", "datetime(2024, 2, 29, 14, 30, 15, 250000, tzinfo=timezone(timedelta(hours=2)))", True),
    ("aware datetime west", "datetime(1969, 12, 31, 19, 0, tzinfo=timezone(timedelta(hours=-5)))", True),
    ("naive datetime", "datetime(2024, 2, 29, 12, 30, 15, 1)", True),
    ("naive datetime before 1970", "datetime(1, 1, 1)", True),
    ("date", "date(2024, 2, 29)", True),
    ("date before 1970", "date(1969, 12, 31)", True),
    ("time", "time(23, 59, 59, 999999)", True),
    ("timedelta", "timedelta(days=-1, microseconds=5)", True),
    ("timedelta beyond int64", "timedelta.max", False),
    ("uuid", "UUID('12345678-1234-5678-1234-567812345678')", True),
    ("dataclass", "Point(1, 2.5)", True),
    ("frozen dataclass", "City('NL', 1012)", True),
    ("frozen dataclass nested", "Tree(Tree(None, 1), 'x')", True),
    ("named tuple", "Pair(1, 'x')", False),
    ("enum", "Color.RED", False),
    ("int enum", "Level.HIGH", False),
    ("bytearray", "bytearray(b'x')", False),
    ("complex", "1j", False),
    ("tuple with a list", "(1, [2])", True),
    ("unfrozen dataclass in a tuple", "(Point(1, 2.0),)", True),
]

#: Every list ascends strictly by key bytes; items of an inner list are equal.
ORDER: list[tuple[str, list[Any]]] = [
    ("numbers", [
        "float('-inf')", "-10**308", "-2**64 - 1", "-2**64", "-2**63 - 1", "-2**63", "-2**53 - 1", "-2**53",
        ["-1", "-1.0", "Decimal('-1.00')"], "Decimal('-0.1')", "-5e-324", "Decimal('-1E-400')",
        ["0", "0.0", "-0.0", "False", "Decimal('-0')"], "Decimal('1E-400')", "5e-324", "Decimal('0.1')", "0.1",
        ["1", "1.0", "True", "Decimal('1.0')", "Level.LOW"], "Decimal('1.00000000000000000001')", "1.5", "10", "2**53",
        "2**53 + 1", "2**53 + 2", "2**53 + 3", "2**63 - 1", "2**63", "2**63 + 1", "2**63 + 10", "2**63 + 100",
        ["10**20", "1e20", "Decimal(10**20)"], "10**30", "1e308", "float('inf')"]),
    ("strings", ["''", r"'\x00'", r"'\x00\x00'", r"'\x00a'", r"'\x01'", "'a'", r"'a\x00'", "'aa'", "'b'", r"'\u00e9'",
                 r"'\uffff'", r"'\U00010000'"]),
    ("bytes", ["b''", r"b'\x00'", r"b'\x00\x00'", r"b'\x00\x01'", r"b'\x01'", r"b'\xff'", r"b'\xff\x00'", r"b'\xff\xff'"]),
    ("tuples", ["()", "(1,)", "(1, 'a')", "(1, 'a', 0)", "(1, 'b')", "(2,)", "('a',)", r"('a', 'b')", r"('a\x00',)", "('aa',)",
                "((),)", "((1,),)", "((1,), 0)", "((1, 1),)"]),
    ("aware datetimes", [
        "datetime(1969, 12, 31, tzinfo=timezone.utc)",
        ["datetime(2024, 1, 1, 12, tzinfo=timezone.utc)", "datetime(2024, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))"],
        "datetime(2024, 1, 1, 12, 30, tzinfo=timezone.utc)"]),
    ("naive datetimes", ["datetime(1, 1, 1)", "datetime(1969, 12, 31)", "datetime(1970, 1, 1)", "datetime(9999, 12, 31)"]),
    ("dates", ["date(1, 1, 1)", "date(1969, 12, 31)", "date(1970, 1, 1)", "date(2024, 2, 29)"]),
    ("times", ["time()", "time(0, 0, 0, 1)", "time(23, 59)"]),
    ("timedeltas", ["timedelta(days=-2)", "timedelta(microseconds=-1)", "timedelta()", "timedelta(days=1)"]),
    ("uuids", ["UUID(int=0)", "UUID(int=1)", "UUID(int=2**127)"]),
    ("named tuples are tuples", ["(1, 'w')", ["(1, 'x')", "Pair(1, 'x')"], "(1, 'y')"]),
    ("nan", [["nan", "Decimal('NaN')", "Decimal('sNaN')", "-nan"]]),
]  # fmt: skip

#: Value bytes that every decoder refuses.
MALFORMED: list[tuple[str, str]] = [
    ("empty", ""),
    ("unknown tag", "16"),
    ("unknown tag high", "ff"),
    ("bytes after the value", "0000"),
    ("int without payload", "03"),
    ("int unfinished varint", "0380"),
    ("varint of 11 bytes", "03" + "80" * 10 + "00"),
    ("varint beyond 64 bits", "03" + "ff" * 9 + "02"),
    ("big int of no bytes", "0400"),
    ("big int in the range of int64", "040105"),
    ("big int with a byte too many", "040a" + "00" * 8 + "0100"),
    ("negative big int with a byte too many", "040a" + "00" * 8 + "feff"),
    ("float of 7 bytes", "05" + "00" * 7),
    ("str longer than the input", "060561"),
    ("str of 2^63 bytes", "06" + "80" * 9 + "01"),
    ("str not utf-8", "0602c328"),
    ("str with a surrogate as utf-8", "0603eda080"),
    ("str overlong utf-8", "0602c080"),
    ("bytes longer than the input", "07056161"),
    ("tuple with an item missing", "080200"),
    ("tuple of 2^40 items", "08808080808020"),
    ("list with an item missing", "0901"),
    ("dict with a value missing", "0a0100"),
    ("set with an item missing", "0b01"),
    ("decimal longer than the input", "0d0531"),
    ("aware datetime of 11 bytes", "0e" + "00" * 11),
    ("naive datetime of 7 bytes", "0f" + "00" * 7),
    ("date without payload", "10"),
    ("dataclass cut in its name", "1305613a"),
    ("dataclass with a field missing", "1303613a6201"),
    ("pickle longer than the input", "140580"),
    ("uuid of 15 bytes", "15" + "00" * 15),
    ("nested 101 deep", "0901" * 100 + "0900"),
    ("nested 3000 deep", "0801" * 3000 + "00"),
]


def evaluate(expression: str) -> Any:
    return eval(expression, dict(SCOPE))


def make() -> dict[str, Any]:
    from headrace import codec_py as codec

    values = []
    for name, expression, golden in VALUES:
        value = evaluate(expression)
        row: dict[str, Any] = {"name": name, "python": expression}
        if golden:
            row["value_hex"] = codec.encode(value).hex()
        try:
            row["key_hex"] = codec.encode_key(value).hex()
        except (TypeError, ValueError) as error:
            row["key_error"] = type(error).__name__
        values.append(row)
    deep = "[" * 100 + "]" * 100
    values.append(
        {"name": "nested 100 deep", "python": deep, "value_hex": codec.encode(evaluate(deep)).hex(), "key_error": "TypeError"}
    )
    order = []
    for name, groups in ORDER:
        rows = []
        for group in groups:
            same = group if isinstance(group, list) else [group]
            (key,) = {codec.encode_key(evaluate(e)).hex() for e in same}
            rows.append({"python": same, "key_hex": key})
        order.append({"name": name, "ascending": rows})
    malformed = [{"name": name, "value_hex": data} for name, data in MALFORMED]
    return {"version": 1, "values": values, "key_order": order, "malformed_values": malformed}


def load() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PATH.read_text())
    return loaded


if __name__ == "__main__":
    text = json.dumps(make(), indent=1)
    PATH.write_text(text + "\n")
    print(f"{PATH}: {len(text)} bytes")
