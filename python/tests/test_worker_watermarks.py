"""Watermark generators in a worker process: one call a split and batch, a copy for each split."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from fake_taskmanager import FakeTaskManager, WorkerFailed, array_block

from headrace import JobError, WatermarkGenerator, WatermarkStrategies, codec

pa = pytest.importorskip("pyarrow")
NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def tm() -> Iterator[FakeTaskManager]:
    with FakeTaskManager(arenas=2) as made:
        yield made


class Seen(WatermarkGenerator):
    """Gives the number of rows that its split has seen so far, plus the last text's length."""

    def __init__(self) -> None:
        self.rows = 0

    def on_batch(self, timestamps: Any, *columns: Any) -> int | None:
        self.rows += len(timestamps)
        return self.rows * 100 + sum(len(text) for text in columns[0].to_pylist())

    def on_periodic(self, now: int) -> int | None:
        return now + self.rows if self.rows else None


class Gives(WatermarkGenerator):
    def __init__(self, watermark: Any) -> None:
        self.watermark = watermark

    def on_batch(self, timestamps: Any, *columns: Any) -> int | None:
        return self.watermark  # type: ignore[no-any-return]


class Asked:
    """A stage with a generator that sees times and a text."""

    def __init__(self, tm: FakeTaskManager, generator: WatermarkGenerator) -> None:
        self.tm = tm
        self.schema = pa.schema([("timestamps", pa.int64()), ("text", pa.utf8())])
        setup = {"input": self.schema.serialize().to_pybytes()}
        self.stage = tm.load(("map", generator), kind="watermarks", setup=setup)

    def _answer(self, periodic: bool, runs: list[tuple[int, int]], body: bytes) -> list[tuple[int, int]]:
        words = [int(periodic), NOW, len(runs), *(word for run in runs for word in run)]
        head = struct.pack(f"<{len(words)}q", *words)
        block = self.tm.run_bytes(self.stage, head + bytes(-len(head) % 64) + body, 0)
        ((_, _, (count, *flat)),) = codec.decode_block(block)
        assert len(flat) == 2 * count
        return list(zip(flat[::2], flat[1::2]))

    def batch(self, runs: list[tuple[int, int]], times: list[int], texts: list[str]) -> list[tuple[int, int]]:
        rows = pa.record_batch([pa.array(times, pa.int64()), pa.array(texts, pa.utf8())], schema=self.schema)
        return self._answer(False, runs, array_block(rows))

    def periodic(self, *splits: int) -> list[tuple[int, int]]:
        return self._answer(True, [(split, 0) for split in splits], b"")


def test_each_split_has_a_copy_of_its_own(tm: FakeTaskManager) -> None:
    asked = Asked(tm, Seen())
    assert asked.batch([(0, 2), (5, 1)], [1, 2, 3], ["a", "b", "ccc"]) == [(0, 202), (5, 103)]
    assert asked.batch([(5, 1)], [4], ["dd"]) == [(5, 202)]


def test_runs_of_one_split_are_one_call(tm: FakeTaskManager) -> None:
    asked = Asked(tm, Seen())
    assert asked.batch([(0, 1), (1, 1), (0, 2), (1, 0)], [1, 2, 3, 4], ["a", "bb", "ccc", "dddd"]) == [(0, 308), (1, 102)]


def test_by_the_clock_those_are_asked_that_are_named(tm: FakeTaskManager) -> None:
    asked = Asked(tm, Seen())
    asked.batch([(0, 2), (1, 1)], [1, 2, 3], ["a", "b", "c"])
    assert asked.periodic(0, 2) == [(0, NOW + 2)]


@pytest.mark.parametrize("watermark", [7, pa.scalar(7), -(2**63)])
def test_what_is_a_watermark(tm: FakeTaskManager, watermark: Any) -> None:
    assert Asked(tm, Gives(watermark)).batch([(0, 1)], [1], [""]) == [(0, watermark if type(watermark) is int else 7)]


@pytest.mark.parametrize("watermark", [None, pa.scalar(None), -(2**70)])
def test_what_says_nothing(tm: FakeTaskManager, watermark: Any) -> None:
    assert Asked(tm, Gives(watermark)).batch([(0, 1)], [1], [""]) == []


@pytest.mark.parametrize("watermark", [True, 1.5, "1", [1]])
def test_what_is_no_watermark(tm: FakeTaskManager, watermark: Any) -> None:
    with pytest.raises(WorkerFailed, match="a watermark is ms since 1970 as an int, or None") as failed:
        Asked(tm, Gives(watermark)).batch([(0, 1)], [1], [""])
    assert failed.value.error["row"] == "split 0, 1 times from 1 to 1"


def test_years_ahead_of_rows_and_clock(tm: FakeTaskManager) -> None:
    year = 366 * 86_400_000
    assert Asked(tm, Gives(NOW + year)).batch([(0, 1)], [1], [""]) == [(0, NOW + year)]
    assert Asked(tm, Gives(NOW + year + 9)).batch([(0, 1)], [NOW + 9], [""]) == [(0, NOW + year + 9)]
    with pytest.raises(WorkerFailed, match="more than 366 days ahead of the split and of the clock"):
        Asked(tm, Gives(NOW + year + 1)).batch([(0, 1)], [1], [""])
    with pytest.raises(WorkerFailed, match="366 days ahead"):
        Asked(tm, Gives(2**63 - 1)).batch([(0, 1)], [2**63 - 5], [""])


class Uncopyable(Gives):
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("one is enough")


def test_what_cannot_be_copied_says_so(tm: FakeTaskManager) -> None:
    with pytest.raises(WorkerFailed, match="cannot be copied for each split: one is enough"):
        Asked(tm, Uncopyable(1)).batch([(0, 1)], [1], [""])


def test_misuse_is_told_where_the_job_is_written() -> None:
    for generator, why in ((Seen, "not the class Seen"), (print, "not builtin"), (WatermarkGenerator(), "has no on_batch")):
        with pytest.raises(JobError, match=why):
            WatermarkStrategies.custom(generator)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="columns is a list"):
        WatermarkStrategies.custom(Seen(), columns="k")
    with pytest.raises(JobError, match="at least 1 ms"):
        WatermarkStrategies.custom(Seen(), period=0)
