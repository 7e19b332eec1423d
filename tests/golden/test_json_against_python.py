"""Random JSON lines: the engine's columns hold what Python's json module and pyarrow read."""

from __future__ import annotations

import json
import os
import random
import string
from pathlib import Path
from typing import Any

import headrace
import pyarrow as pa
import pyarrow.json

SEED = int(os.environ.get("GOLDEN_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
POINT = pa.struct([("x", pa.float64()), ("tags", pa.list_(pa.string()))])
SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("small", pa.int16()),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("l", pa.list_(pa.int64())),
        ("p", POINT),
        ("ps", pa.list_(POINT)),
    ]
)
ALPHABET = string.printable + 'äß€😀\x00\x1f\x7f\u2028"\\/' + "\\" * 5 + '"' * 5


def text(r: random.Random) -> str:
    return "".join(r.choices(ALPHABET, k=r.choice([0, 1, 3, 20, 200])))


def value(r: random.Random, kind: pa.DataType) -> Any:
    if r.random() < 0.1:
        return None
    if pa.types.is_boolean(kind):
        return r.random() < 0.5
    if pa.types.is_integer(kind):
        bits = 15 if kind == pa.int16() else r.choice([1, 8, 31, 63])
        return r.randrange(-(1 << bits), 1 << bits)
    if pa.types.is_floating(kind):
        return r.choice([r.random(), r.gauss(0, 1e300), r.gauss(0, 1e-300), -0.0, 1e15, 0.1, float(r.randrange(1 << 52))])
    if pa.types.is_string(kind):
        return text(r)
    if pa.types.is_list(kind):
        return [value(r, kind.value_type) for _ in range(r.choice([0, 1, 2, 30]))]
    return {kind.field(i).name: value(r, kind.field(i).type) for i in range(kind.num_fields)}


def junk(r: random.Random, depth: int = 0) -> Any:
    choices = [None, True, r.random(), r.randrange(1 << 70), text(r)]
    if depth < 3:
        choices += [[junk(r, depth + 1) for _ in range(3)], {text(r): junk(r, depth + 1) for _ in range(3)}]
    return r.choice(choices)


def line(r: random.Random, row: dict[str, Any]) -> str:
    fields = [(name, field) for name, field in row.items() if field is not None or r.random() < 0.5]
    fields += [(f"unknown {text(r)}", junk(r)) for _ in range(r.choice([0, 0, 1, 3]))]
    r.shuffle(fields)
    separators = r.choice([(",", ":"), (", ", ": "), (" ,\t", " : ")])
    return json.dumps(dict(fields), ensure_ascii=r.random() < 0.5, separators=separators)


def test_columns_hold_what_json_and_pyarrow_read(tmp_path: Path) -> None:
    print(f"GOLDEN_SEED={SEED}")
    r = random.Random(SEED)
    rows = [{field.name: value(r, field.type) for field in SCHEMA} for _ in range(300)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(line(r, row) + "\n" for row in rows), encoding="utf-8", newline="\n")
    env = headrace.StreamExecutionEnvironment("differential")
    got = env.add_source(headrace.FileSource(path, "json", row_type=SCHEMA)).collect()
    assert got == rows
    options = pyarrow.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
    read = pyarrow.json.ReadOptions(block_size=1 << 26)
    plain = tmp_path / "plain.jsonl"
    plain.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert got == pyarrow.json.read_json(plain, read_options=read, parse_options=options).to_pylist()
    chosen = env_of(path).select("p", "small").collect()
    assert chosen == [{"p": row["p"], "small": row["small"]} for row in rows]


def env_of(path: Path) -> headrace.DataStream[Any]:
    env = headrace.StreamExecutionEnvironment("projection")
    return env.add_source(headrace.FileSource(path, "json", row_type=SCHEMA))
