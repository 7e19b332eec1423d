"""Vectorized functions in a worker: pyarrow arrays in, arrays out (array blocks, docs/formats/worker.md).

Arguments are views of the shared memory itself; the arena gives what a function keeps a copy of its own (Arena.lend). A
result is copied once, into the arena of the answer.
"""

from __future__ import annotations

from itertools import repeat
from struct import Struct
from time import perf_counter_ns
from typing import Any

from headrace import codec
from headrace.worker_errors import UserError

_BUFFERS = 3  # of a column: validity, then data, or offsets and data
_COLUMN_WORDS = 1 + 2 * _BUFFERS
_ALIGNMENT = 64


def _head(columns: int) -> Struct:
    """rows, columns; of each column the count of nulls, then place and length of each buffer."""
    return Struct(f"<{2 + columns * _COLUMN_WORDS}Q")


def _pyarrow(operator: Any, what: str) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise UserError(operator, None, False) from ImportError(
            f"{what} takes pyarrow arrays, and pyarrow is not installed for the workers: {error}"
        )
    codec.keep_freed_memory()
    return pa


class ArrayReader:
    """Takes array blocks of one schema apart; the arrays are views of the shared memory."""

    def __init__(self, operator: Any, what: str, schema: bytes) -> None:
        """what: that needs pyarrow, for the error when it is not there. schema: an Arrow IPC message."""
        self.pa = pa = _pyarrow(operator, what)
        self._types = [(field.type, field.type.num_buffers) for field in pa.ipc.read_schema(pa.py_buffer(schema))]
        self._head = _head(len(self._types))

    def columns(self, block: Any) -> tuple[int, list[Any]]:
        """The number of rows and the arrays. block: a pyarrow buffer."""
        make, cut = self.pa.Array.from_buffers, block.slice
        head = self._head.unpack_from(block)
        rows = head[0]
        columns = []
        at = 2
        for declared, count in self._types:
            buffers = [cut(head[i], head[i + 1]) if head[i] else None for i in range(at + 1, at + 1 + 2 * count, 2)]
            columns.append(make(declared, rows, buffers, head[at]))
            at += _COLUMN_WORDS
        return rows, columns


class VectorFunctions:
    """Functions over pyarrow arrays. setup: {"arguments": [places of the columns of each function], "input": schema, "output": schema},
    both as Arrow IPC messages."""

    def __init__(self, operators: list[Any], setup: dict[str, Any]) -> None:
        self.operators = operators
        self._reader = ArrayReader(operators[0], "a vectorized function", setup["input"])
        pa = self._reader.pa
        self.pa = pa
        self._arguments: list[list[int]] = setup["arguments"]
        self._outputs = [field.type for field in pa.ipc.read_schema(pa.py_buffer(setup["output"]))]
        self._output_head = _head(len(self._outputs))
        self._first = -(-self._output_head.size // _ALIGNMENT) * _ALIGNMENT  # where the first buffer of an answer lies

    def trip(self, source: Any, offset: int, length: int) -> tuple[list[Any], int]:
        """The results, one array a function, and the nanoseconds in user code."""
        loan, address = source.lend(offset, length)
        rows, columns = self._reader.columns(self.pa.foreign_buffer(address, length, loan))
        called = [[columns[place] for place in places] for places in self._arguments]
        results = []
        start = perf_counter_ns()
        for operator, arguments in zip(self.operators, called):
            try:
                results.append(operator.function(*arguments))
            except BaseException as error:
                raise UserError(operator, _Rows(rows, arguments), True) from error
        user_ns = perf_counter_ns() - start
        return list(map(self._array, self.operators, results, self._outputs, repeat(rows), called)), user_ns

    def _array(self, operator: Any, result: Any, declared: Any, rows: int, arguments: list[Any]) -> Any:
        """The result, an array, a chunked array or what pyarrow can make one of, with the declared type."""
        pa = self.pa
        try:
            if isinstance(result, pa.ChunkedArray):
                result = result.combine_chunks()
            if not isinstance(result, pa.Array):
                _refuse_single(pa, result)
                result = pa.array(result, type=declared)
            elif result.type != declared:
                result = result.cast(declared)
        except BaseException as error:
            raise UserError(operator, _Rows(rows, arguments), True) from TypeError(
                f"{operator.name} is declared to give {declared}, and its result is none: {error}"
            )
        if len(result) != rows:
            raise UserError(operator, _Rows(rows, arguments), True) from ValueError(
                f"a vectorized function gives as many values as it gets: {operator.name} got {rows} and gave {len(result)}. "
                "Drop rows with filter() around it, and give null where there is no value."
            )
        return result

    def write(self, target: Any, at: int, results: list[Any]) -> int:
        """Copies the arrays into an arena; the bytes they took."""
        heads = [len(results[0]), len(results)]
        end = self._first
        try:
            for array in results:
                buffers = self._buffers(array)
                heads.append(array.null_count)
                for place, buffer in enumerate(buffers):
                    size = 0 if buffer is None else buffer.size
                    heads += (end if buffer is not None or place > 0 else 0, size)  # none but the validity may be missing
                    if size:
                        target.write(at + end, buffer)
                        end += (size + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
                heads += (0, 0) * (_BUFFERS - len(buffers))
            target.write(at, self._output_head.pack(*heads))
        except BaseException as error:
            raise UserError(self.operators[-1], None, False) from error
        return end

    def _buffers(self, array: Any) -> list[Any]:
        """The array's buffers, of its own values alone and from the first bit on."""
        pa = self.pa
        buffers = array.buffers()
        if array.offset != 0 or (len(buffers) == _BUFFERS and sum(b.size for b in buffers if b) > 2 * array.nbytes + 1024):
            schema = pa.schema([("result", array.type)])
            array = pa.ipc.read_record_batch(pa.record_batch([array], schema=schema).serialize(), schema).column(0)
            buffers = array.buffers()
        rows = len(array)
        if array.null_count == 0:
            buffers[0] = None
        elif buffers[0].size > (rows + 7) // 8:
            buffers[0] = buffers[0].slice(0, (rows + 7) // 8)
        if len(buffers) == 2 and buffers[1] is not None:
            size = (rows * array.type.bit_width + 7) // 8
            if buffers[1].size > size:
                buffers[1] = buffers[1].slice(0, size)
        return buffers  # type: ignore[no-any-return]


def _refuse_single(pa: Any, result: Any) -> None:
    """TypeError for what is one value, though pyarrow might make an array of it."""
    if result is None:
        raise TypeError("it gave None; does it return its result?")
    if isinstance(result, (pa.Scalar, int, float, str, bytes, bool)) or getattr(result, "ndim", 1) == 0:
        raise TypeError(f"it gave one value ({type(result).__name__}), not an array")


class _Rows:
    """The rows of a call; errors name the first and the last."""

    def __init__(self, count: int, arguments: list[Any]) -> None:
        self.count, self._arguments = count, arguments

    def __repr__(self) -> str:
        first, last = (tuple(column[at].as_py() for column in self._arguments) for at in (0, self.count - 1))
        return f"0 to {self.count - 1} of a call, {first!r} to {last!r}"
