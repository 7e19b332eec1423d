"""The commutative 128-bit digest of rows, as bench/support/row_digest.h computes it, from columns of 8-byte words."""

from __future__ import annotations

from typing import Any

import numpy as np

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(x: Any) -> Any:
    x = (x ^ (x >> np.uint64(30))) * _M1
    x = (x ^ (x >> np.uint64(27))) * _M2
    return x ^ (x >> np.uint64(31))


def text_word(text: str) -> int:
    """FNV-1a of the text's bytes."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return value


def words_of(column: Any) -> Any:
    """A pyarrow column (int64, float64, text) as words."""
    import pyarrow as pa

    if pa.types.is_string(column.type):
        coded = column.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        table = np.array([text_word(t) for t in coded.dictionary.to_pylist()], dtype=np.uint64)
        return table[coded.indices.to_numpy(zero_copy_only=False)]
    values = column.to_numpy()
    return values.view(np.uint64) if values.dtype.itemsize == 8 else values.astype(np.int64).view(np.uint64)


def digest(table: Any) -> str:
    """Of the rows of a pyarrow table without nulls."""
    with np.errstate(over="ignore"):
        a = np.full(table.num_rows, 0x243F6A8885A308D3, dtype=np.uint64)
        b = np.full(table.num_rows, 0x13198A2E03707344, dtype=np.uint64)
        for column in table.columns:
            words = words_of(column)
            a = _mix(a ^ words)
            b = _mix(b + words)
        low, high = int(a.sum(dtype=np.uint64)), int(b.sum(dtype=np.uint64))
    return f"{high:016x}{low:016x}"
