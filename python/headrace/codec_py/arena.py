"""Arenas: the shared memory between a TaskManager and a worker."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Any, Final

from headrace.codec_py.blocks import decode_block, encode_block

#: What the TaskManager maps at most.
_MAX_BYTES: Final = 1 << 30


class Arena:
    """A memfd mapped into this process; owns the mapping, not the descriptor. One thread uses it. Sizes and offsets are bytes.

    Errors: ValueError for a range outside the memory, and for a batch that would take more than 1 GiB.
    """

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
        if need > _MAX_BYTES:
            raise ValueError("the results of one batch have more than 1 GiB")
        size = max(need, min(self.size() * 3 // 2, _MAX_BYTES))
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

    def view_block(self, offset: int, length: int) -> list[tuple[int, int, Sequence[Any]]]:
        """As read_block; the rows may be made while they are iterated. The memory is lent: see take_back()."""
        return self.read_block(offset, length)  # type: ignore[return-value]

    def lend(self, offset: int, length: int) -> tuple[object, int]:
        """A loan and the address of its bytes, which stay as they are while it is held; here a copy."""
        import ctypes

        loan = ctypes.create_string_buffer(self.read(offset, length), length or 1)
        return loan, ctypes.addressof(loan)

    def take_back(self) -> None:
        """Ends the loan, before the other side may write again."""

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
