"""What DuckDB says about the inputs of a golden case."""

from __future__ import annotations

from typing import Any

from cases import Case, Table
from headrace.row_types import TIMESTAMP, ColumnType
from rows import input_rows, plain, row_type

_TYPES = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "uint8": "UTINYINT",
    "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT", "float32": "REAL", "float64": "DOUBLE", "text": "VARCHAR",
    "binary": "BLOB", "date": "DATE", "time": "TIME",
}  # fmt: skip


def _sql_type(type: ColumnType) -> str:
    kind = repr(type)
    if kind.startswith("decimal"):
        return kind
    if kind.startswith("list"):
        return _sql_type(type.children[0].type) + "[]"
    return "TIMESTAMP" if type.kind == TIMESTAMP else _TYPES[kind]


def answer(case: Case) -> list[dict[str, Any]]:
    """The rows of the case's SQL over its inputs, times as ms."""
    import duckdb

    with duckdb.connect(":memory:") as db:
        db.execute("SET TimeZone = 'UTC'")
        for table in case.inputs:
            _fill(db, table)
        result = db.execute(case.sql)
        names = [column[0] for column in result.description]
        return [plain(dict(zip(names, row))) for row in result.fetchall()]


def _fill(db: Any, table: Table) -> None:
    fields = row_type(table).fields
    db.execute(f"CREATE TABLE {table.name} ({', '.join(f'{f.name} {_sql_type(f.type)}' for f in fields)})")
    marks = ", ".join("epoch_ms(?::BIGINT)" if f.type.kind == TIMESTAMP else "?" for f in fields)
    for row in input_rows(table):
        values = [plain(row.get(f.name)) if f.type.kind == TIMESTAMP else row.get(f.name) for f in fields]
        db.execute(f"INSERT INTO {table.name} VALUES ({marks})", values)
