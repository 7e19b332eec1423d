"""Aggregates written in Python: accumulator() makes one of an AggregateFunction.

class Median(AggregateFunction):
    def create_accumulator(self):
        return []

    def add(self, value, accumulator):
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator):
        return float(statistics.median(accumulator)) if accumulator else None

median = accumulator(Median(), result=float)
bids.group_by("auction").window(TumblingWindow(10_000)).agg(n=count(), mid=median("price"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.aggregates import Aggregate, collect
from headrace.errors import JobTypeError, JobValueError
from headrace.expressions import Expression, col, lit, struct
from headrace.location import here

if TYPE_CHECKING:
    from headrace.grouped_stream import WindowedStream
    from headrace.row_types import ColumnType
    from headrace.stream import DataStream


class Accumulator:
    """An aggregate of the user's. Called with columns or expressions it gives what agg() takes."""

    def __init__(self, function: Any, result: ColumnType) -> None:
        self.function, self.result = function, result
        self.__name__ = type(function).__qualname__.rpartition(".")[2]

    def __call__(self, *values: str | Expression) -> UserAggregate:
        if not values:
            raise JobValueError(f"{self.__name__} ({here()}): an accumulator takes a column or an expression, or more")
        return UserAggregate(self, tuple(col(v) if isinstance(v, str) else lit(v) for v in values))

    def __repr__(self) -> str:
        return f"accumulator {self.__name__}"


class UserAggregate(Aggregate):
    """An accumulator over expressions, as agg() takes it."""

    __slots__ = ("_accumulator", "_values")

    def __init__(self, accumulator: Accumulator, values: tuple[Expression, ...]) -> None:
        super().__init__(accumulator.__name__)
        self._accumulator, self._values = accumulator, values

    def where(self, condition: Expression) -> UserAggregate:
        changed = UserAggregate(self._accumulator, self._values)
        changed._filter = super().where(condition)._filter
        return changed

    def gathered(self) -> Aggregate:
        """The native aggregate that keeps the values until the window comes."""
        value = self._values[0]
        if len(self._values) > 1:
            value = struct(**{f"a{i}": v for i, v in enumerate(self._values)})
        call = collect(value)
        return call if self._filter is None else call.where(self._filter)


class _Fold:
    """What a worker runs: the values of a group and window to the accumulator's result."""

    def __init__(self, function: Any, arguments: int) -> None:
        self.function, self.arguments = function, arguments
        self.__qualname__ = type(function).__qualname__.rpartition(".")[2]  # what errors call it

    def __call__(self, values: list[Any]) -> Any:
        function = self.function
        if self.arguments > 1:
            values = [tuple(value.values()) for value in values]
        accumulated = function.create_accumulator()
        add_all = getattr(function, "add_all", None)
        if add_all is not None:
            accumulated = add_all(values, accumulated)
        else:
            for value in values:
                accumulated = function.add(value, accumulated)
        return function.get_result(accumulated)


def accumulator(function: Any, *, result: Any) -> Accumulator:
    """Makes an AggregateFunction usable in agg(). result: the type of what get_result() gives, as in row types; None gives null.

    Its values are kept until their window comes, then added in the worker, all windows of a batch in one trip. With several arguments a value
    is a tuple. Null does not count, except in tuples. A method add_all(values, accumulator) is called instead of add(): once for a list.
    """
    from headrace.row_types import column_type

    if isinstance(function, type):
        raise JobTypeError(f"accumulator ({here()}): it takes an instance: accumulator({function.__name__}(), …)")
    for method in ("create_accumulator", "get_result"):
        if not callable(getattr(function, method, None)):
            raise JobTypeError(
                f"accumulator ({here()}): it takes an AggregateFunction; {type(function).__name__} has no {method}()"
            )
    if not callable(getattr(function, "add_all", None) or getattr(function, "add", None)):
        raise JobTypeError(f"accumulator ({here()}): {type(function).__name__} has no add() and no add_all()")
    return Accumulator(function, column_type("accumulator", result))


def aggregate_with(windowed: WindowedStream, calls: dict[str, Any]) -> DataStream[Any]:
    """agg() with accumulators of the user's among the calls: their values are gathered, and folded behind the window."""
    from headrace.relational import Select
    from headrace.user_functions import CallExpression, UserFunction

    if windowed._window is None:
        name = next(name for name, call in calls.items() if isinstance(call, UserAggregate))
        raise JobValueError(
            f"agg ({here()}): {name} is an accumulator written in Python, which needs a window: group_by(…).window(…).agg(…). "
            "Over the whole stream use a process function with an AggregatingState"
        )
    native = {name: call.gathered() if isinstance(call, UserAggregate) else call for name, call in calls.items()}
    gathered = windowed.agg(**native)
    columns: dict[str, Expression] = {name: col(name) for name in windowed._keys}
    if windowed._window.has_bounds:
        columns.update(window_start=col("window_start"), window_end=col("window_end"))
    for name, call in calls.items():
        columns[name] = col(name)
        if isinstance(call, UserAggregate):
            fold = UserFunction(_Fold(call._accumulator.function, len(call._values)), call._accumulator.result, False)
            columns[name] = CallExpression(fold, (col(name),))
    result = gathered._relational("aggregate", Select(columns))
    result._sides = gathered._sides
    return result
