"""Word count functions through a real Python worker, beside the same functions in a bare Python loop, on one core.

The TaskManager's part is prepared before the clock runs (blocks lie in the arenas), so that what is measured is the worker:
datagram in, decode, user functions, encode, datagram out. Rates are words per second; ratios are medians over alternating
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

from fake_taskmanager import FakeTaskManager  # noqa: E402
from headrace import codec, worker  # noqa: E402
from headrace.codec import ABSENT  # noqa: E402

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
        kind, *_ = self.tm._receive()
        if kind != worker.DONE:
            raise SystemExit(f"the worker answered {kind}")


def timed(work: Callable[[], Any], repeat: int) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - start) / repeat


def compare(case: str, ours: Callable[[], Any], bare: Callable[[], Any], rows: int, pairs: int, aim: str) -> dict[str, Any]:
    ours(), bare()
    measured = [(timed(ours, 20), timed(bare, 20)) for _ in range(pairs)]
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
        stage = tm.load(("flat_map", str.split), ("map", to_pair), ("key_by", first))
        reduce_stage = tm.load(("reduce", add))
        splitting = Trip(tm, stage, [(0, lines)], 0)
        reducing = Trip(tm, reduce_stage, [(0, split), (2, group_of), (3, states)], 1)
        whole = compare(
            "flat_map, map, key_by, reduce", lambda: (splitting(), reducing()), lambda: bare_word_count(lines, counts), words, pairs, ">= 0.4"
        )  # fmt: skip
        return [
            whole,
            compare("flat_map, map, key_by", splitting, lambda: bare_split(lines), words, pairs, ""),
            compare("reduce", reducing, lambda: bare_reduce(split, counts), words, pairs, ""),
            codec_row("encode (str, int)", lambda: codec.encode_block([(0, split)]), words, pairs),
            codec_row("decode (str, int)", lambda: codec.decode_block(block), words, pairs),
            codec_row("encode str keys", lambda: codec.encode_block([(1, list(groups))]), len(groups), pairs),
        ]


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
