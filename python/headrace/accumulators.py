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

from headrace.aggregates import Aggregate
from headrace.errors import JobTypeError, JobValueError
from headrace.expressions import Expression, col, lit, struct
from headrace.location import here
from headrace.state import AggregateFunction
from headrace.user_functions import CallExpression, UserFunction, pickled
from headrace.worker_errors import AtValue

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
        """The native aggregate that keeps a group's accumulator, and the values that it has not taken in yet."""
        value = self._values[0]
        if len(self._values) > 1:
            value = struct(**{f"a{i}": v for i, v in enumerate(self._values)})
        return _FoldCall(self, value)

    def result(self) -> UserFunction:
        """The function from what gathered() gives to the result."""
        return UserFunction(_Result(self._accumulator.function, len(self._values)), self._accumulator.result, False)


class _FoldCall(Aggregate):
    """The call of an aggregate that is folded by the worker."""

    __slots__ = ("_user",)

    def __init__(self, call: UserAggregate, value: Expression) -> None:
        super().__init__("fold", (value,))
        self._user, self._filter = call, call._filter

    def fill(self, message: Any, name: str) -> None:
        super().fill(message, name)
        fold = _Fold(self._user._accumulator.function, len(self._user._values))
        message.user.pickled, message.user.display_name = pickled(fold)
        message.user.display_name = fold.__qualname__


class _Fold:
    """What a worker runs for each group of a batch: its accumulators and the rows behind them, to one accumulator."""

    def __init__(self, function: Any, arguments: int) -> None:
        self.function, self.arguments = function, arguments
        self.__qualname__ = type(function).__qualname__.rpartition(".")[2]  # what errors call it

    def __call__(self, accumulators: list[bytes], values: list[Any]) -> Any:
        from headrace import codec

        folded = self.folded(accumulators, values)
        try:
            return codec.encode(folded)
        except Exception as error:
            raise AtValue(folded) from TypeError(f"the accumulator of {self.__qualname__} cannot be kept: {error}")

    def folded(self, accumulators: list[bytes], values: list[Any]) -> Any:
        from headrace import codec

        function = self.function
        kept = [codec.decode(one) for one in accumulators]
        accumulated = kept[0] if kept else function.create_accumulator()
        for other in kept[1:]:
            accumulated = function.merge(accumulated, other)
        if not values:
            return accumulated
        if self.arguments > 1:
            values = [tuple(value.values()) for value in values]
        add_all = getattr(function, "add_all", None)
        if add_all is not None:
            return add_all(values, accumulated)
        left: Any = iter(values)  # knows how many are left, which names the failing one
        try:
            for value in left:
                accumulated = function.add(value, accumulated)
        except BaseException as error:
            raise AtValue(values[len(values) - left.__length_hint__() - 1]) from error
        return accumulated


class _Result(_Fold):
    """What a worker runs for each group that comes: what is gathered, to the result."""

    def __call__(self, gathered: dict[str, Any]) -> Any:  # type: ignore[override]
        accumulated = self.folded(gathered["accumulators"], gathered["values"])
        try:
            return self.function.get_result(accumulated)
        except BaseException as error:
            raise AtValue(accumulated) from error


def accumulator(function: Any, *, result: Any) -> Accumulator:
    """Makes an AggregateFunction usable in agg(). result: the type of what get_result() gives, as in row types; None gives null.

    Each group and window has an accumulator, which the engine keeps as bytes: anything that can be a row (docs/formats/value.md). Values are
    added when they come, those of all groups of a batch in one trip to the worker; get_result() is called when the group or window comes.
    Windows that share rows, and sessions that become one, are merged: merge(a, b) gives one accumulator of two, and may change either.
    With several arguments a value is a tuple. Null does not count, except in tuples. A method add_all(values, accumulator) is called
    instead of add(): once for a list.
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


def can_merge(function: Any) -> bool:
    """Whether an AggregateFunction has a merge() of its own."""
    merge = getattr(type(function), "merge", None)
    return callable(getattr(function, "merge", None)) and merge is not AggregateFunction.merge


def aggregate_with(windowed: WindowedStream, calls: dict[str, Any]) -> DataStream[Any]:
    """agg() with accumulators of the user's among the calls: rows are folded in the aggregate, results made behind it."""
    from headrace.relational import Select

    # Behind a trigger written in Python only sessions are put together.
    merges = windowed._window is not None and (windowed._window.joins if windowed._by_function else windowed._window.merges)
    if merges:
        for name, call in calls.items():
            if isinstance(call, UserAggregate) and not can_merge(call._accumulator.function):
                raise JobTypeError(
                    f"agg ({here()}): {name}: {call._accumulator.__name__} has no merge(a, b), which {windowed._window} needs: "
                    "its windows are made of parts that are added up apart"
                )
    native = {name: call.gathered() if isinstance(call, UserAggregate) else call for name, call in calls.items()}
    gathered = windowed.agg(**native)
    columns: dict[str, Expression] = {name: col(name) for name in windowed._keys}
    if windowed._window is not None and windowed._window.has_bounds:
        columns.update(window_start=col("window_start"), window_end=col("window_end"))
    for name, call in calls.items():
        columns[name] = col(name)
        if isinstance(call, UserAggregate):
            columns[name] = CallExpression(call.result(), (col(name),))
    result = gathered._relational("aggregate", Select(columns))
    result._sides = gathered._sides
    return result
