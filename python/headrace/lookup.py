"""Joins with a table, one that stands still or one of an outside system: lookup_join()."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

if TYPE_CHECKING:
    from headrace.connectors import Connector
    from headrace.relational import Pickle


class LookupSpec:
    """A table and the columns it is joined on."""

    def __init__(self, table: Connector, on: list[tuple[str, str]], keep_unmatched: bool) -> None:
        self._table, self._on, self._keep_unmatched = table, on, keep_unmatched

    @classmethod
    def of(cls, table: Any, on: str | Sequence[str] | Mapping[str, str], how: str, asking: dict[str, Any]) -> LookupSpec:
        from headrace.connectors import Source
        from headrace.tables import Asked, PostgresTable

        if isinstance(table, PostgresTable):
            table = Asked(table, **asking)
        elif not isinstance(table, Source):
            raise JobTypeError(
                f"lookup_join ({here()}): the table is a source such as CollectionSource, or a PostgresTable, not {type(table).__name__}"
            )
        elif table.row_type is None:
            raise JobTypeError(f"lookup_join ({here()}): the table has no columns; give its source a record type")
        elif not table.bounded:
            raise JobValueError(f"lookup_join ({here()}): the table does not end; join two streams instead")
        if how not in ("inner", "left"):
            raise JobValueError(f"lookup_join ({here()}): how is {how!r}; it takes 'inner' or 'left'")
        names = {on: on} if isinstance(on, str) else dict(on) if isinstance(on, Mapping) else {name: name for name in on}
        if not names or not all(isinstance(name, str) for pair in names.items() for name in pair):
            raise JobTypeError(
                f"lookup_join ({here()}): on takes a column, several, or {{column of the stream: column of the table}}"
            )
        return cls(table, list(names.items()), how == "left")

    def fill(self, message: Any, pickle: Pickle) -> None:
        from headrace.graph_builder import fill_connector

        lookup = message.lookup
        for left, right in self._on:
            lookup.left.append(left)
            lookup.right.append(right)
        lookup.keep_unmatched = self._keep_unmatched
        fill_connector(lookup.table, self._table, f"the table of {message.name}")
