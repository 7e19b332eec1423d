"""Word count functions, functions of columns and a process function through a real Python worker, beside the same functions in a bare Python
loop or called on the whole column, on one core.

The TaskManager's part is prepared before the clock runs (blocks lie in the arenas), so that what is measured is the worker:
datagram in, decode, user functions, encode, datagram out. Rates are words per CPU second of the worker, or of the bare loop; ratios are medians over alternating
pairs. Also the codec alone, in rows per second. Prints a table, or one JSON object a row with --json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "python" / "tests")]

from fake_taskmanager import FakeTaskManager, array_block  # noqa: E402
from headrace import KeyedProcessFunction, ValueState, codec, worker  # noqa: E402
from headrace.codec import ABSENT  # noqa: E402
from headrace.codec_py import ROLE_COLUMN  # noqa: E402

WORDS_PER_LINE, VOCABULARY = 20, 100_000


def to_pair(word: str) -> tuple[str, int]:
    return (word, 1)


def first(pair: tuple[str, int]) -> str:
    return pair[0]


def add(a: tuple[str, int], b: tuple[str, int]) -> tuple[str, int]:
    return (a[0], a[1] + b[1])


def make_lines(count: int, seed: int = 1) -> list[str]:
    """Lines of a skewed vocabulary."""
    r = random.Random(seed)
    return [" ".join(f"word{int(VOCABULARY * r.random() ** 4)}" for _ in range(WORDS_PER_LINE)) for _ in range(count)]


def bare_split(lines: list[str]) -> list[tuple[str, tuple[str, int]]]:
    out = []
    for line in lines:
        for word in str.split(line):
            pair = to_pair(word)
            out.append((first(pair), pair))
    return out


def bare_reduce(pairs: list[tuple[str, int]], counts: dict[str, tuple[str, int]]) -> list[tuple[str, int]]:
    out = []
    for pair in pairs:
        key = first(pair)
        old = counts.get(key)
        new = pair if old is None else add(old, pair)
        counts[key] = new
        out.append(new)
    return out


def bare_word_count(lines: list[str], counts: dict[str, tuple[str, int]]) -> list[tuple[str, int]]:
    out = []
    for line in lines:
        for word in str.split(line):
            pair = to_pair(word)
            key = first(pair)
            old = counts.get(key)
            new = pair if old is None else add(old, pair)
            counts[key] = new
            out.append(new)
    return out


class Trip:
    """One prepared RUN, its blocks already in the arena."""

    def __init__(self, tm: FakeTaskManager, stage: int, columns: list[tuple[int, list[Any]]], arena: int) -> None:
        self.tm, self.arena = tm, arena
        tm.inputs[arena].write(56, struct.pack("<Q", stage))
        length = tm.inputs[arena].write_block(64, columns)
        self.message = (worker.RUN, arena, 1, 56, length + 8, tm.inputs[arena].size())

    def __call__(self) -> None:
        self.tm._send(*self.message)
        self.tm._answer(self.arena)


def cpu_ns(pid: int) -> int:
    """Of all threads of a process so far: the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def timed(work: Callable[[], Any], repeat: int, pid: int | None = None) -> float:
    """CPU seconds a call takes in a process (this one): what a neighbour takes does not count."""
    pid = pid or os.getpid()
    start = cpu_ns(pid)
    for _ in range(repeat):
        work()
    return (cpu_ns(pid) - start) / repeat / 1e9


def compare(
    case: str, ours: Callable[[], Any], bare: Callable[[], Any], rows: int, pairs: int, aim: str, *, pid: int, repeat: int = 20
) -> dict[str, Any]:
    """ours runs in the process pid."""
    ours(), bare()
    measured = [(timed(ours, repeat, pid), timed(bare, repeat)) for _ in range(pairs)]
    rates = [rows / a for a, _ in measured]
    return {
        "benchmark": "python_worker", "case": case, "metric": "words", "value": round(median(rates) / 1e6, 3), "unit": "M/s",
        "limit": round(rows / median(b for _, b in measured) / 1e6, 3), "ratio_to_limit": round(median(b / a for a, b in measured), 3),
        "pairs": pairs, "min": round(min(rates) / 1e6, 3), "max": round(max(rates) / 1e6, 3), "aim": aim,
    }  # fmt: skip


def codec_row(case: str, work: Callable[[], Any], rows: int, pairs: int) -> dict[str, Any]:
    rates = [rows / timed(work, 50) / 1e6 for _ in range(pairs)]
    return {
        "benchmark": "python_worker", "case": case, "metric": "rows", "value": round(median(rates), 2), "unit": "M/s", "limit": None,
        "ratio_to_limit": None, "pairs": pairs, "min": round(min(rates), 2), "max": round(max(rates), 2), "aim": ">= 15 M/s",
    }  # fmt: skip


def measure(pairs: int, words_per_batch: int) -> list[dict[str, Any]]:
    lines = make_lines(words_per_batch // WORDS_PER_LINE)
    split = [pair for _, pair in bare_split(lines)]
    words = len(split)
    groups: dict[str, int] = {}
    group_of = [groups.setdefault(first(p), len(groups)) for p in split]
    states: list[Any] = [ABSENT if i % 3 == 0 else (w, 5) for i, w in enumerate(groups)]
    counts = {w: (w, 5) for w in groups}
    block = codec.encode_block([(0, split)])
    with FakeTaskManager(arenas=2) as tm:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(tm.pid, {max(os.sched_getaffinity(0))})
        functions = measure_functions(tm, pairs)  # before the trips below take the arenas
        stage = tm.load(("flat_map", str.split), ("map", to_pair), ("key_by", first))
        reduce_stage = tm.load(("reduce", add))
        splitting = Trip(tm, stage, [(0, lines)], 0)
        reducing = Trip(tm, reduce_stage, [(0, split), (2, group_of), (3, states)], 1)
        whole = compare(
            "flat_map, map, key_by, reduce", lambda: (splitting(), reducing()), lambda: bare_word_count(lines, counts), words, pairs, ">= 0.4", pid=tm.pid
        )  # fmt: skip
        return [
            whole,
            compare("flat_map, map, key_by", splitting, lambda: bare_split(lines), words, pairs, "", pid=tm.pid),
            compare("reduce", reducing, lambda: bare_reduce(split, counts), words, pairs, "", pid=tm.pid),
            codec_row("encode (str, int)", lambda: codec.encode_block([(0, split)]), words, pairs),
            codec_row("decode (str, int)", lambda: codec.decode_block(block), words, pairs),
            codec_row("encode str keys", lambda: codec.encode_block([(1, list(groups))]), len(groups), pairs),
            *functions,
        ]


# ---- functions of columns, process functions ----

#: Rows of a trip as the operator makes them (src/data/python/function_columns.h), and of the column of vectorized functions.
SCALAR_ROWS, VECTOR_ROWS, COLUMN_ROWS = 8192, 65_536, 524_288


def gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def product(a: int, b: int) -> int:
    return a * b


def normalized(a: Any) -> Any:
    """A few passes over the column: what a vectorized function is for."""
    import pyarrow.compute as pc

    return pc.sqrt(pc.abs(pc.subtract(pc.log1p(pc.multiply(a, 0.908)), 1.0)))


def numpy_normalized(a: Any) -> Any:
    """The same on the numpy array of the column."""
    import numpy as np

    values = a if isinstance(a, np.ndarray) else a.to_numpy()
    return np.sqrt(np.abs(np.log1p(values * 0.908) - 1.0))


def haversine(lat1: Any, lon1: Any, lat2: Any, lon2: Any) -> Any:
    """Kilometres between two places: a function as users write them."""
    import numpy as np

    lat1, lon1, lat2, lon2 = (np.radians(np.asarray(x)) for x in (lat1, lon1, lat2, lon2))
    h = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 12742.0 * np.arcsin(np.sqrt(h))


class Counter(KeyedProcessFunction[Any, Any]):
    count = ValueState("count", default=0)

    def process(self, row: Any, ctx: Any) -> Any:
        n = self.count.value() + 1
        self.count.update(n)
        return ((row, n),)


class ArrayTrips:
    """A column cut into trips as the operator cuts it. One runs and one waits, as when rows are plenty; each is written just before it
    is sent, and each answer copied, so that what the worker reads comes from another core."""

    def __init__(self, tm: FakeTaskManager, stage: int, batches: list[Any]) -> None:
        self.tm = tm
        self.bodies = [struct.pack("<Q", stage) + array_block(batch) for batch in batches]

    def _start(self, at: int) -> None:
        arena = self.tm.inputs[at % 2]
        arena.write(56, self.bodies[at])
        self.tm._send(worker.RUN, at % 2, at, 56, len(self.bodies[at]), arena.size())

    def __call__(self) -> None:
        self._start(0)
        for at in range(len(self.bodies)):
            if at + 1 < len(self.bodies):
                self._start(at + 1)
            offset, length = self.tm._answer(at % 2)
            self.tm.outputs[at % 2].read(offset, length)


def measure_vectorized(tm: FakeTaskManager, pairs: int) -> list[dict[str, Any]]:
    """Beside the same call on the whole column, and on parts of it as large as a trip."""
    import numpy as np
    import pyarrow as pa

    r = np.random.default_rng(2)
    columns = [r.random(COLUMN_ROWS) * 90 for _ in range(4)]
    arrays = [pa.array(column) for column in columns]
    starts = range(0, COLUMN_ROWS, VECTOR_ROWS)
    rows: list[dict[str, Any]] = []
    for name, function, taken, values in (
        ("sqrt(abs(log1p(a))), pyarrow", normalized, 1, arrays),
        ("sqrt(abs(log1p(a))), numpy", numpy_normalized, 1, columns),
        ("haversine(a, b, c, d), numpy", haversine, 4, columns),
    ):
        fields = [(f"a{i}", pa.float64()) for i in range(taken)]
        setup = {
            "arguments": [list(range(taken))],
            "input": pa.schema(fields).serialize().to_pybytes(),
            "output": pa.schema([("result", pa.float64())]).serialize().to_pybytes(),
        }
        stage = tm.load(("map", function), kind="vector", setup=setup)
        cut = [[pa.array(column[at : at + VECTOR_ROWS]) for column in columns[:taken]] for at in starts]
        trips = ArrayTrips(tm, stage, [pa.record_batch(part, names=[n for n, _ in fields]) for part in cut])
        parts = [[column[at : at + VECTOR_ROWS] for column in values[:taken]] for at in starts]
        whole = values[:taken]
        for limit, bare in (
            ("whole", lambda f=function, whole=whole: f(*whole)),
            ("in parts", lambda f=function, parts=parts: [None for part in parts if f(*part) is None]),
        ):
            row = compare(f"vectorized {name}, {limit}", trips, bare, COLUMN_ROWS, pairs, ">= 0.6", pid=tm.pid, repeat=5)
            rows.append({**row, "metric": "rows"})
    return rows


def measure_functions(tm: FakeTaskManager, pairs: int) -> list[dict[str, Any]]:
    r = random.Random(2)
    a = [r.randrange(1, 1_000_000) for _ in range(SCALAR_ROWS)]
    b = [r.randrange(1, 1_000_000) for _ in range(SCALAR_ROWS)]
    rows: list[dict[str, Any]] = []
    for name, function, bare in (
        ("scalar a * b", product, lambda: [product(x, y) for x, y in zip(a, b)]),
        ("scalar gcd(a, b)", gcd, lambda: [gcd(x, y) for x, y in zip(a, b)]),
    ):
        stage = tm.load(("map", function), kind="scalar", setup={"arguments": [[0, 1]]})
        trip = Trip(tm, stage, [(ROLE_COLUMN, a), (ROLE_COLUMN, b)], 0)
        rows.append({**compare(name, trip, bare, SCALAR_ROWS, pairs, ">= 0.4", pid=tm.pid), "metric": "rows"})

    rows += measure_vectorized(tm, pairs)
    keys = [f"key{r.randrange(1000)}" for _ in range(SCALAR_ROWS)]
    distinct = list(dict.fromkeys(keys))
    group_of = {key: at for at, key in enumerate(distinct)}
    stage = tm.load(
        ("map", Counter()), kind="process",
        setup={"columns": None, "record": "", "returns": None, "states": ["count"], "broadcast": False, "subtask": 0, "parallelism": 1},
    )  # fmt: skip
    columns = [
        [0, 0, 0, 0, 1],
        [codec.encode_key(k) for k in distinct],
        [],
        [],
        [(5,)] * len(distinct),
        [group_of[k] for k in keys],
        [],
        keys,
    ]
    process = Trip(tm, stage, [(ROLE_COLUMN, c) for c in columns], 0)
    counts = dict.fromkeys(distinct, 5)

    def bare_process() -> list[Any]:
        out = []
        for key in keys:
            n = counts[key] = counts.get(key, 0) + 1
            out.append((key, n))
        return out

    rows.append(
        {
            **compare("process function, a counter a key", process, bare_process, SCALAR_ROWS, pairs, "", pid=tm.pid),
            "metric": "rows",
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--words", type=int, default=8192, help="words in a batch")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import gc

    gc.set_threshold(100_000, 20, 20)  # as in the worker
    for row in measure(options.pairs, options.words):
        if options.json:
            print(json.dumps(row))
        else:
            print(
                f"{row['case']:32} {row['value']:8} {row['unit']} limit {row['limit']!s:8} ratio {row['ratio_to_limit']!s:6} ({row['min']}-{row['max']}) {row['aim']}"
            )


if __name__ == "__main__":
    main()
