"""Batch blocks: docs/formats/worker.md."""

from __future__ import annotations

import itertools
import struct
from typing import Any, Final

from headrace.codec_py.calendar import INT64_MAX, INT64_MIN
from headrace.codec_py.keys import encode_key
from headrace.codec_py.values_decode import decode
from headrace.codec_py.values_encode import encode

#: Stands for "no state yet" in the state column of a batch block.
ABSENT: Final = type("Absent", (), {"__repr__": lambda self: "ABSENT", "__slots__": ()})()

ROLE_VALUE, ROLE_KEY, ROLE_GROUP, ROLE_STATE, ROLE_COUNTS, ROLE_COLUMN = range(6)
FORM_ENCODED, FORM_UTF8, FORM_INT64, FORM_FLOAT64, FORM_BOOL, FORM_BYTES = range(6)

_BLOCK = struct.Struct("<II")
_COLUMN = struct.Struct("<IIQQQQQQ")
_MAX_COLUMNS: Final = 4096
_FORM_OF: Final[dict[type, int]] = {int: FORM_INT64, str: FORM_UTF8, float: FORM_FLOAT64, bool: FORM_BOOL, bytes: FORM_BYTES}


def _choose_form(role: int, rows: list[Any]) -> int:
    if role == ROLE_COLUMN:
        rows = [row for row in rows if row is not None]
    types = {type(row) for row in rows}
    form = _FORM_OF.get(types.pop(), FORM_ENCODED) if len(types) == 1 else FORM_ENCODED
    if form == FORM_INT64 and not all(INT64_MIN <= row <= INT64_MAX for row in rows):
        return FORM_ENCODED
    if form == FORM_UTF8:
        try:
            for row in rows:
                row.encode()
        except UnicodeEncodeError:
            return FORM_ENCODED
    return form


def _fixed(role: int, form: int, rows: list[Any]) -> bytes:
    if role == ROLE_COLUMN:
        rows = [0 if row is None else row for row in rows]
    code = {FORM_INT64: "q", FORM_FLOAT64: "d", FORM_BOOL: "B"}[form]
    return struct.pack(f"<{len(rows)}{code}", *rows)


def _variable(role: int, form: int, rows: list[Any]) -> tuple[bytes, bytes]:
    if role == ROLE_KEY:
        parts = [encode_key(row) for row in rows]
    elif role == ROLE_COLUMN and any(row is None for row in rows):
        present = _variable(ROLE_VALUE, form, [row for row in rows if row is not None])
        ends = iter(struct.unpack(f"<{len(present[0]) // 8}q", present[0])[1:])
        offsets = list(itertools.accumulate(rows, lambda at, row: at if row is None else next(ends), initial=0))
        return struct.pack(f"<{len(offsets)}q", *offsets), present[1]
    elif form == FORM_ENCODED:
        parts = [b"" if row is ABSENT else encode(row) for row in rows]
    elif form == FORM_UTF8:
        parts = [row.encode() for row in rows]
    else:
        parts = rows
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets)}q", *offsets), b"".join(parts)


def _add_section(out: bytearray, data: bytes) -> int:
    out += bytes(-len(out) % 64)
    at = len(out)
    out += data
    return at


def encode_block(columns: list[tuple[int, list[Any]]]) -> bytes:
    """A batch block of (role, rows) columns; forms are chosen per column, key rows are key-encoded."""
    if not 1 <= len(columns) <= _MAX_COLUMNS:
        raise ValueError("a block takes a list of 1 to 4096 columns")
    out = bytearray(_BLOCK.size + len(columns) * _COLUMN.size)
    _BLOCK.pack_into(out, 0, len(columns[0][1]), len(columns))
    for index, (role, rows) in enumerate(columns):
        form = _role_form(role)
        if form is None:
            form = _choose_form(role, rows)
        offsets_at = validity_at = 0
        absent = ABSENT if role == ROLE_STATE else None
        if role in (ROLE_STATE, ROLE_COLUMN) and any(row is absent for row in rows):
            validity_at = _add_section(out, bytes(row is not absent for row in rows))
        if form in (FORM_INT64, FORM_FLOAT64, FORM_BOOL):
            data = _fixed(role, form, rows)
        else:
            offsets, data = _variable(role, form, rows)
            offsets_at = _add_section(out, offsets)
        data_at = _add_section(out, data)
        head = (role, form, len(rows), offsets_at, data_at, len(data), validity_at, 0)
        _COLUMN.pack_into(out, _BLOCK.size + index * _COLUMN.size, *head)
    return bytes(out)


def _role_form(role: int) -> int | None:
    if role == ROLE_KEY:
        return FORM_BYTES
    if role == ROLE_STATE:
        return FORM_ENCODED
    return FORM_INT64 if role in (ROLE_GROUP, ROLE_COUNTS) else None


def _section(data: bytes, at: int, length: int) -> bytes:
    if at % 64 or at > len(data) or length > len(data) - at:
        raise ValueError("malformed batch block: a section lies outside the block or is not aligned")
    return data[at : at + length]


def _decode_variable(form: int, offsets: tuple[int, ...], data: bytes) -> list[Any]:
    if offsets[0] != 0 or offsets[-1] > len(data) or any(a > b for a, b in itertools.pairwise(offsets)):
        raise ValueError("malformed batch block: offsets fall or go beyond the data")
    return [data[a:b] for a, b in itertools.pairwise(offsets)]


def _decode_rows(data: bytes, head: tuple[int, ...]) -> list[Any]:
    role, form, rows, offsets_at, data_at, data_length, validity_at, _ = head
    if role > ROLE_COLUMN or form > FORM_BYTES or rows > len(data):
        raise ValueError("malformed batch block: unknown role or form, or more rows than bytes")
    body = _section(data, data_at, data_length)
    if validity_at and role not in (ROLE_STATE, ROLE_COLUMN):
        raise ValueError("malformed batch block: a column of this role has no validity")
    absent = None if role == ROLE_COLUMN else ABSENT
    present = _section(data, validity_at, rows) if validity_at else bytes([1]) * rows
    if form in (FORM_INT64, FORM_FLOAT64, FORM_BOOL):
        code, width = {FORM_INT64: ("q", 8), FORM_FLOAT64: ("d", 8), FORM_BOOL: ("?", 1)}[form]
        if len(body) < rows * width:
            raise ValueError("malformed batch block: a column is shorter than its rows")
        values: list[Any] = list(struct.unpack_from(f"<{rows}{code}", body))
    else:
        values = _decode_variable(form, struct.unpack(f"<{rows + 1}Q", _section(data, offsets_at, (rows + 1) * 8)), body)
    if form == FORM_UTF8:
        return [v.decode() if p else absent for v, p in zip(values, present)]
    if form == FORM_ENCODED:
        return [decode(v) if p else absent for v, p in zip(values, present)]
    return [v if p else absent for v, p in zip(values, present)]


def decode_block(data: bytes) -> list[tuple[int, int, list[Any]]]:
    """The columns of a batch block as (role, form, rows); absent state rows are ABSENT, absent ones of table columns None. ValueError if malformed."""
    data = bytes(data)
    if len(data) < _BLOCK.size:
        raise ValueError("malformed batch block: shorter than its header")
    rows, count = _BLOCK.unpack_from(data)
    if count > _MAX_COLUMNS or len(data) < _BLOCK.size + count * _COLUMN.size:
        raise ValueError("malformed batch block: too many columns")
    columns = []
    table = False
    for index in range(count):
        head = _COLUMN.unpack_from(data, _BLOCK.size + index * _COLUMN.size)
        table = table or (index == 0 and head[0] == ROLE_COLUMN)  # each column has its own length
        if not table and head[0] not in (ROLE_STATE, ROLE_COUNTS) and head[2] != rows:
            raise ValueError("malformed batch block: columns of different lengths")
        columns.append((head[0], head[1], _decode_rows(data, head)))
    return columns
