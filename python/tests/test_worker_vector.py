"""Vectorized functions in a worker process, and the memory they see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fake_taskmanager import FakeTaskManager, WorkerFailed, array_block, read_array_block

from headrace import codec, codec_py

pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def tm() -> Iterator[FakeTaskManager]:
    with FakeTaskManager(arenas=2) as made:
        yield made


def schema_of(types: list[Any]) -> bytes:
    return pa.schema([(f"a{i}", declared) for i, declared in enumerate(types)]).serialize().to_pybytes()  # type: ignore[no-any-return]


class Vectorized:
    """A stage of vectorized functions: (function, places of its arguments, type of its result)."""

    def __init__(self, tm: FakeTaskManager, inputs: list[Any], *functions: tuple[Any, list[int], Any]) -> None:
        self.tm, self.inputs, self.outputs = tm, inputs, [result for _, _, result in functions]
        setup = {
            "arguments": [places for _, places, _ in functions],
            "input": schema_of(inputs),
            "output": schema_of(self.outputs),
        }
        self.stage = tm.load(*(("map", function) for function, _, _ in functions), kind="vector", setup=setup)

    def __call__(self, *columns: list[Any], arena: int = 0) -> list[list[Any]]:
        batch = pa.record_batch(
            [pa.array(rows, type=declared) for rows, declared in zip(columns, self.inputs)], schema=pa.ipc.read_schema(pa.py_buffer(schema_of(self.inputs)))
        )  # fmt: skip
        return [
            array.to_pylist()
            for array in read_array_block(self.tm.run_bytes(self.stage, array_block(batch), arena), self.outputs)
        ]


def test_several_functions_share_a_trip(tm: FakeTaskManager) -> None:
    import pyarrow.compute as pc

    stage = Vectorized(
        tm, [pa.int64(), pa.int64(), pa.string()],
        (lambda a, b: pc.add(a, b), [0, 1], pa.float64()), (lambda s: pc.utf8_upper(s), [2], pa.string()), (lambda a: pc.is_null(a), [0], pa.bool_()),
    )  # fmt: skip
    assert stage([1, None, 3], [10, 20, 30], ["x", "é", None]) == [[11.0, None, 33.0], ["X", "É", None], [False, True, False]]


@pytest.mark.parametrize(
    ("declared", "function", "expected"),
    [
        (pa.int64(), lambda a: a, [1, None, 3, 4]),  # the argument itself
        (pa.int64(), lambda a: pa.concat_arrays([a, a])[3:7], [4, 1, None, 3]),  # a slice, not at a byte's start
        (pa.string(), lambda a: pa.array(["no", "a", "b", None, "é", "no"])[1:5], ["a", "b", None, "é"]),
        (pa.string(), lambda a: pa.array([""] * 4), [""] * 4),
        (pa.bool_(), lambda a: a.to_numpy(zero_copy_only=False) > 2, [False, False, True, True]),
        (pa.float32(), lambda a: [1, 2.5, None, 4], [1.0, 2.5, None, 4.0]),
        (pa.int64(), lambda a: pa.chunked_array([a[:1], a[1:]]), [1, None, 3, 4]),
        (pa.large_binary(), lambda a: pa.array([b"x"] * 1000)[:4], [b"x"] * 4),
        (pa.timestamp("ms", "UTC"), lambda a: a.cast(pa.timestamp("ms")), [1, None, 3, 4]),
    ],
)
def test_results_of_all_kinds(tm: FakeTaskManager, declared: Any, function: Any, expected: list[Any]) -> None:
    (result,) = Vectorized(tm, [pa.int64()], (function, [0], declared))([1, None, 3, 4])
    assert [v.timestamp() * 1000 if pa.types.is_timestamp(declared) and v else v for v in result] == expected


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a, b: a[:1], "gives as many values as it gets: map-0 got 3 and gave 1. Drop rows with filter()"),
        (lambda a, b: None, "map-0 is declared to give int64, and its result is none: it gave None; does it return its result?"),
        (lambda a, b: 7, "it gave one value (int), not an array"),
        (lambda a, b: a.to_numpy().sum(), "it gave one value (int64), not an array"),
        (lambda a, b: ["x", "y", "z"], "map-0 is declared to give int64, and its result is none"),
        (lambda a, b: [2**70, 0, 0], "map-0 is declared to give int64, and its result is none"),
        (lambda a, b: a.no_such_method(), "has no attribute 'no_such_method'"),
    ],
)
def test_errors_name_the_function_and_the_rows(tm: FakeTaskManager, function: Any, message: str) -> None:
    with pytest.raises(WorkerFailed) as failed:
        Vectorized(tm, [pa.int64(), pa.string()], (function, [0, 1], pa.int64()))([1, 2, 3], ["x", "y", None])
    assert message in failed.value.error["message"]
    assert failed.value.error["row"] == "0 to 2 of a call, (1, 'x') to (3, None)"
    assert failed.value.error["name"] == "map-0"
    assert failed.value.error["file"] == __file__


def test_what_a_function_keeps_stays_as_it_was(tm: FakeTaskManager) -> None:
    kept: list[Any] = []

    def total(a: Any) -> Any:
        kept.append(a.to_numpy())  # a view of the shared memory
        return pa.array([int(sum(each.sum() for each in kept))] * len(a))

    stage = Vectorized(tm, [pa.int64()], (total, [0], pa.int64()))
    expected = 0
    for trip in range(1, 6):
        expected += 2 * trip * 10**trip
        assert stage([trip * 10**trip] * 2) == [[expected] * 2]
    # A much larger trip moves the arena.
    assert stage([1] * 100_000)[0][0] == expected + 100_000


# ---- loans ----


def filled(arena: Any, byte: int) -> None:
    arena.write(0, bytes([byte]) * 3 * 4096)


@pytest.fixture(params=["native", "python"])
def arena(request: pytest.FixtureRequest) -> Iterator[Any]:
    fd = os.memfd_create("arena")
    yield codec.Arena(fd) if request.param == "native" else codec_py.Arena(fd)
    os.close(fd)


def lent(arena: Any, offset: int, length: int) -> Any:
    loan, address = arena.lend(offset, length)
    return pa.foreign_buffer(address, length, loan)


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (100, 5000), (4096, 4096), (8000, 4288), (64, 0)])
def test_a_loan_that_is_held_outlives_what_is_written_next(arena: Any, offset: int, length: int) -> None:
    filled(arena, 1)
    first = lent(arena, offset, length)
    arena.take_back()
    filled(arena, 2)
    second = lent(arena, offset, length)  # without take_back() a new loan ends the one before
    filled(arena, 2)
    third = lent(arena, offset, length)
    arena.take_back()
    filled(arena, 3)
    assert first.to_pybytes() == bytes([1]) * length
    assert second.to_pybytes() == third.to_pybytes() == bytes([2]) * length
    assert arena.read(0, 3 * 4096) == bytes([3]) * 3 * 4096
    del first
    arena.write(1 << 20, b"far")  # the arena grows and moves
    filled(arena, 4)
    assert second.to_pybytes() == bytes([2]) * length
    del arena
    assert third.to_pybytes() == bytes([2]) * length


@pytest.mark.skipif(not codec.NATIVE, reason="only the extension lends without a copy")
def test_a_loan_that_nobody_holds_costs_nothing() -> None:
    fd = os.memfd_create("arena")
    arena = codec.Arena(fd)
    filled(arena, 1)
    addresses = set()
    for _ in range(3):
        addresses.add(lent(arena, 64, 5000).address)
        arena.take_back()
    assert len(addresses) == 1
    held = lent(arena, 64, 5000)
    arena.take_back()
    assert held.address in addresses
    assert lent(arena, 64, 5000).address not in addresses
    os.close(fd)


def test_a_loan_lies_inside_the_arena(arena: Any) -> None:
    filled(arena, 1)
    for offset, length in ((0, 1 << 30), (-1, 5), (arena.size(), 1)):
        with pytest.raises(ValueError, match="a body lies outside its arena"):
            arena.lend(offset, length)


# ---- views of blocks ----

COLUMNS = [
    [1, -5, 2**62],
    [1.5, float("inf"), -0.0],
    ["a", "", "žluť"],
    [True, False, True],
    [b"x", b"", b"\0"],
    [1, None, 3],
    [None, None, "x"],
    [(1, "a"), [2], {"k": None}],
    [],
    [2**70, 1, 2],
]


def test_views_show_what_blocks_hold(arena: Any) -> None:
    length = arena.write_block(64, [(codec_py.ROLE_COLUMN, rows) for rows in COLUMNS])
    views = [rows for _, _, rows in arena.view_block(64, length)]
    for view, rows in zip(views, COLUMNS):
        assert len(view) == len(rows)
        assert list(view) == list(view) == rows
        assert [view[at] for at in range(len(rows))] == rows
        left = iter(view)
        for at in range(len(rows)):
            assert left.__length_hint__() == len(rows) - at
            next(left)
        assert next(left, "over") == "over"
        with pytest.raises(IndexError):
            view[len(rows)]
    arena.take_back()
    arena.write_block(64, [(codec_py.ROLE_COLUMN, [0])])
    assert [list(view) for view in views] == COLUMNS, "what is held stays as it was"
    with pytest.raises(ValueError, match="malformed"):
        arena.view_block(64, 20)


@pytest.mark.parametrize("role", [codec_py.ROLE_VALUE, codec_py.ROLE_COLUMN])
@pytest.mark.parametrize("late", [2**63, -(2**63) - 1, True, 1.0, "x", b"x", None, "\ud800", (1,), [1]])
@pytest.mark.parametrize("first", [1, 1.5, "a", True, b"b"])
def test_one_row_of_another_type_changes_a_columns_form(role: int, late: Any, first: Any) -> None:
    for rows in ([first, first, late], [late, first], [first, late, first]):
        block = codec.encode_block([(role, rows), (role, [7] * len(rows))])
        assert block == codec_py.encode_block([(role, rows), (role, [7] * len(rows))])
        assert [column for _, _, column in codec.decode_block(block)] == [rows, [7] * len(rows)]


def test_a_scalar_function_may_keep_its_arguments(tm: FakeTaskManager) -> None:
    seen: list[str] = []

    def remember(text: str) -> int:
        seen.append(text)
        return sum(map(len, seen))

    stage = tm.load(("map", remember), kind="scalar", setup={"arguments": [[0]]})
    assert tm.run_table(stage, [(codec_py.ROLE_COLUMN, ["a", "bcd"])]) == [[1, 4]]
    assert tm.run_table(stage, [(codec_py.ROLE_COLUMN, ["ef"])]) == [[6]]
