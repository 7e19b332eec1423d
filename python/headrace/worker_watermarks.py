"""The stage of a worker that asks watermark generators: one call a split and batch. What goes in and out is in docs/formats/worker.md."""

from __future__ import annotations

import copy
from struct import Struct
from time import perf_counter_ns
from typing import Any, Final

from headrace.codec_py import ROLE_COLUMN
from headrace.worker_errors import UserError
from headrace.worker_vector import ArrayReader

_WORDS: Final = Struct("<3q")  # periodic, now, number of runs
_RUN: Final = Struct("<2q")  # split, rows
_ALIGNMENT: Final = 64
_MOST_AHEAD_MS: Final = 366 * 86_400_000


class _Called:
    """A method of the generator as errors name it."""

    def __init__(self, operator: Any, method: Any) -> None:
        self.uid, self.name, self.kind = operator.uid, operator.name, "watermarks"
        self.function = getattr(method, "__func__", method)


class _Times:
    """What a call saw, for errors."""

    def __init__(self, split: int, text: str) -> None:
        self._text = f"split {split}, {text}"

    def __repr__(self) -> str:
        return self._text


class _Split:
    __slots__ = ("generator", "newest")

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        self.newest: int | None = None  # time


class WatermarkStage:
    """Asks the generators of one subtask, a copy for each of its splits. setup: {"input": schema of the times and columns, an IPC message}."""

    def __init__(self, operator: Any, setup: dict[str, Any]) -> None:
        self._pattern = operator.function
        self._batch_operator = _Called(operator, self._pattern.on_batch)
        self._periodic_operator = _Called(operator, self._pattern.on_periodic)
        self._reader = ArrayReader(self._batch_operator, "a watermark generator", setup["input"])
        self._splits: dict[int, _Split] = {}
        import pyarrow.compute as pc

        self._max = pc.max

    def trip(self, source: Any, offset: int, length: int) -> tuple[list[tuple[int, list[int]]], int]:
        pa = self._reader.pa
        loan, address = source.lend(offset, length)
        block = pa.foreign_buffer(address, length, loan)
        periodic, now, count = _WORDS.unpack_from(block)
        runs = [_RUN.unpack_from(block, _WORDS.size + i * _RUN.size) for i in range(count)]
        start = perf_counter_ns()
        if periodic:
            answer = self._ask_all(runs, now)
        else:
            head = -(-(_WORDS.size + count * _RUN.size) // _ALIGNMENT) * _ALIGNMENT
            answer = self._give(runs, self._reader.columns(block.slice(head))[1], now)
        return [(ROLE_COLUMN, [len(answer) // 2, *answer])], perf_counter_ns() - start

    def write(self, target: Any, at: int, columns: list[tuple[int, list[int]]]) -> int:
        written: int = target.write_block(at, columns)
        return written

    def _split(self, number: int) -> _Split:
        split = self._splits.get(number)
        if split is None:
            try:
                split = self._splits[number] = _Split(copy.deepcopy(self._pattern))
            except BaseException as error:
                raise UserError(self._batch_operator, None, False) from TypeError(
                    f"the watermark generator cannot be copied for each split: {error}"
                )
        return split

    def _give(self, runs: list[tuple[int, int]], columns: list[Any], now: int) -> list[int]:
        parts: dict[int, list[tuple[int, int]]] = {}
        at = 0
        for number, rows in runs:
            if rows:
                parts.setdefault(number, []).append((at, rows))
            at += rows
        concat, answer = self._reader.pa.concat_arrays, []
        for number, places in parts.items():
            split = self._split(number)
            seen = [
                column.slice(*places[0]) if len(places) == 1 else concat([column.slice(*place) for place in places])
                for column in columns
            ]
            newest = self._max(seen[0]).as_py()
            split.newest = newest if split.newest is None else max(split.newest, newest)
            try:
                watermark = self._checked(split.generator.on_batch(*seen), split, now)
            except BaseException as error:
                times = _Times(number, f"{len(seen[0])} times from {seen[0][0].as_py()} to {seen[0][-1].as_py()}")
                raise UserError(self._batch_operator, times, True) from error
            if watermark is not None:
                answer += [number, watermark]
        return answer

    def _ask_all(self, runs: list[tuple[int, int]], now: int) -> list[int]:
        answer = []
        for number, _ in runs:
            split = self._split(number)
            try:
                watermark = self._checked(split.generator.on_periodic(now), split, now)
            except BaseException as error:
                raise UserError(self._periodic_operator, _Times(number, f"on_periodic({now})"), True) from error
            if watermark is not None:
                answer += [number, watermark]
        return answer

    def _checked(self, watermark: Any, split: _Split, now: int) -> int | None:
        """The watermark as an int. TypeError, ValueError for what is none."""
        if watermark is None:
            return None
        if isinstance(watermark, self._reader.pa.Scalar):
            watermark = watermark.as_py()
            if watermark is None:
                return None
        if isinstance(watermark, bool) or not hasattr(watermark, "__index__"):
            raise TypeError(
                f"a watermark is ms since 1970 as an int, or None, not {watermark!r} ({type(watermark).__name__}). "
                "Make it one: int(…), or datetime.timestamp() * 1000"
            )
        watermark = watermark.__index__()
        latest = now if split.newest is None else max(now, split.newest)
        if watermark > min(latest + _MOST_AHEAD_MS, 2**63 - 2):
            newest = "there are no rows yet" if split.newest is None else f"its newest row has the time {split.newest} ms"
            raise ValueError(
                f"the watermark {watermark} ms is more than 366 days ahead of the split and of the clock: {newest}. Watermarks are ms since 1970; are these microseconds?"
            )
        return watermark if watermark >= -(2**63) else None
