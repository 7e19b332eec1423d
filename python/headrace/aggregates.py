"""Aggregates over groups of rows: ``.agg(n=count(), top=max("price"))``. Nulls do not count; a group without values gives null, except for counts."""

from __future__ import annotations

from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.expressions import Expression, col, lit
from headrace.location import here


class Aggregate:
    """One aggregate. where(condition) lets it count some rows only."""

    __slots__ = ("_arguments", "_filter", "_function", "_limit")

    def __init__(self, function: str, arguments: tuple[Expression, ...] = (), limit: int = 0) -> None:
        self._function, self._arguments, self._limit = function, arguments, limit
        self._filter: Expression | None = None

    def where(self, condition: Expression) -> Aggregate:
        """The same over the rows for which the condition is true."""
        if not isinstance(condition, Expression):
            raise JobTypeError(
                f"{self._function}().where ({here()}): it takes an expression such as col('price') < 100, not {type(condition).__name__}"
            )
        changed = Aggregate(self._function, self._arguments, self._limit)
        changed._filter = condition
        return changed

    def fill(self, message: Any, name: str) -> None:
        """Writes it into a plan_pb2.AggregateCall."""
        message.name, message.function, message.limit = name, self._function, self._limit
        for argument in self._arguments:
            argument.fill(message.arguments.add())
        if self._filter is not None:
            self._filter.fill(message.filter)


def _of(function: str, value: Any, limit: int = 0) -> Aggregate:
    return Aggregate(function, (col(value) if isinstance(value, str) else lit(value),), limit)


def count(value: str | Expression | None = None) -> Aggregate:
    """Rows of the group, or rows whose value is not null."""
    return Aggregate("count") if value is None else _of("count", value)


def count_distinct(value: str | Expression) -> Aggregate:
    """Different values of the group, exactly."""
    return _of("count_distinct", value)


def sum(value: str | Expression) -> Aggregate:
    """Sum; of ints an int64 (overflow fails the job), of decimals a decimal, of floats a float64."""
    return _of("sum", value)


def min(value: str | Expression) -> Aggregate:
    """The least value."""
    return _of("min", value)


def max(value: str | Expression) -> Aggregate:
    """The greatest value."""
    return _of("max", value)


def avg(value: str | Expression) -> Aggregate:
    """The mean, a float64; of decimals a decimal."""
    return _of("avg", value)


def first(value: str | Expression) -> Aggregate:
    """The value of the row with the earliest event time; of rows of one time, the one that came first."""
    return _of("first", value)


def last(value: str | Expression) -> Aggregate:
    """The value of the row with the latest event time; of rows of one time, the one that came last."""
    return _of("last", value)


def top(value: str | Expression, n: int) -> Aggregate:
    """The n greatest values as a list, greatest first."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 100_000:
        raise JobValueError(f"top ({here()}): n is {n!r}; it takes an int from 1 to 100000")
    return _of("top", value, n)


def collect(value: str | Expression | None = None, limit: int = 0) -> Aggregate:
    """All values as a list, in the order of arrival; at most `limit` of them (0: all). Without a value whole rows, as structs."""
    return Aggregate("collect", (), limit) if value is None else _of("collect", value, limit)
