"""What the verbs over typed rows write into the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError, JobValueError
from headrace.expressions import Expression, col, lit
from headrace.location import here

if TYPE_CHECKING:
    from headrace.aggregates import Aggregate
    from headrace.grouped_stream import WindowedStream
    from headrace.watermarks import WatermarkStrategies

Pickle = Callable[[Any], tuple[bytes, str]]


def column_name(what: str, column: Any) -> str:
    """The name of a column given as text or col(…)."""
    if isinstance(column, Expression) and column._kind == "column":
        return column._name
    if isinstance(column, str) and column:
        return column
    raise JobTypeError(f"{what} ({here()}): it takes names of columns, or name=expression for a computed one, not {column!r}")


def _computed(what: str, name: str, value: Any) -> Expression:
    """The expression behind name=. Bare text could be meant as a column or as itself, so it is refused."""
    if isinstance(value, str):
        raise JobTypeError(f"{what} ({here()}): {name}={value!r} is a column or text? Write col({value!r}) or lit({value!r})")
    return lit(value)


class Where:
    """Rows for which the condition is true."""

    def __init__(self, condition: Expression) -> None:
        self._condition = condition

    def fill(self, message: Any, pickle: Pickle) -> None:
        self._condition.fill(message.where)


class Select:
    """Named expressions. keep: the columns of the input come first."""

    def __init__(self, columns: dict[str, Expression], keep: bool = False) -> None:
        self._columns, self._keep = columns, keep

    @classmethod
    def of(cls, what: str, columns: tuple[Any, ...], named: dict[str, Any]) -> Select:
        chosen: dict[str, Expression] = {}
        for name, value in [(column_name(what, c), c) for c in columns] + list(named.items()):
            if name in chosen:
                raise JobValueError(f"{what} ({here()}): two columns are called {name!r}")
            chosen[name] = _computed(what, name, value) if name in named else col(name)
        if not chosen:
            raise JobValueError(f"{what} ({here()}): it takes at least one column")
        return cls(chosen)

    @classmethod
    def added(cls, named: dict[str, Any]) -> Select:
        return cls({name: lit(value) for name, value in named.items()}, keep=True)

    def fill(self, message: Any, pickle: Pickle) -> None:
        message.select.keep_all = self._keep
        for name, expression in self._columns.items():
            column = message.select.columns.add(name=name)
            expression.fill(column.expression)


class EventTime:
    """Event times and watermarks."""

    def __init__(self, strategy: WatermarkStrategies) -> None:
        self._strategy = strategy

    def fill(self, message: Any, pickle: Pickle) -> None:
        self._strategy.fill(message.event_time)
        timestamp = self._strategy._timestamp
        if timestamp is not None and not isinstance(timestamp, Expression):
            message.event_time.function.pickled, message.event_time.function.display_name = pickle(timestamp)
        generator = self._strategy._generator
        if generator is not None:
            message.event_time.generator.pickled, message.event_time.generator.display_name = pickle(generator)


class AggregateSpec:
    """Aggregates by keys and window."""

    def __init__(self, stream: WindowedStream, calls: dict[str, Aggregate]) -> None:
        self._stream, self._calls = stream, calls

    @classmethod
    def of(cls, stream: WindowedStream, calls: dict[str, Any]) -> AggregateSpec:
        from headrace.aggregates import Aggregate

        for name, call in calls.items():
            if not isinstance(call, Aggregate):
                raise JobTypeError(f"agg ({here()}): {name} takes an aggregate such as count() or max('price'), not {call!r}")
        if not calls and not stream._keys:
            raise JobValueError(f"agg ({here()}): it takes at least one aggregate, as in agg(n=count())")
        return cls(stream, calls)

    def fill(self, message: Any, pickle: Pickle) -> None:
        from headrace.windows import Trigger

        out = message.aggregate
        out.SetInParent()
        out.keys.extend(self._stream._keys)
        if self._stream._window is not None:
            self._stream._window.fill(out.window)
        out.allowed_lateness_ms, out.late_tag = self._stream._lateness_ms, self._stream._late_tag
        out.trigger.early_every_ms, out.trigger.early_every_rows = self._stream._early_ms, self._stream._early_rows
        out.trigger.late_every_row = self._stream._late_every_row
        out.ttl_ms = self._stream._ttl_ms
        trigger = self._stream._trigger
        out.trigger.by_function = self._stream._by_function
        if isinstance(trigger, Trigger):
            trigger.fill(out.trigger.by_row)
            out.trigger.purge = trigger._purges
        for name, call in self._calls.items():
            call.fill(out.calls.add(), name)


class TopSpec:
    """The first rows by an order."""

    def __init__(self, stream: WindowedStream, n: int, by: list[tuple[str, bool]], ties: bool, rank: str) -> None:
        self._stream, self._n, self._by, self._ties, self._rank = stream, n, by, ties, rank

    @classmethod
    def of(cls, stream: WindowedStream, n: Any, by: Any, descending: Any, ties: bool, rank: str) -> TopSpec:
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 100_000:
            raise JobValueError(f"top ({here()}): n is {n!r}; it takes an int from 1 to 100000")
        names = [by] if isinstance(by, (str, Expression)) else list(by)
        directions = [descending] * len(names) if isinstance(descending, bool) else list(descending)
        if not names or len(directions) != len(names):
            raise JobValueError(f"top ({here()}): by takes one or more columns, descending one bool or one for each of them")
        return cls(stream, n, [(column_name("top", name), bool(d)) for name, d in zip(names, directions)], bool(ties), rank)

    def fill(self, message: Any, pickle: Pickle) -> None:
        out = message.top
        out.keys.extend(self._stream._keys)
        if self._stream._window is not None:
            self._stream._window.fill(out.window)
        out.limit, out.ties, out.rank_name, out.ttl_ms = self._n, self._ties, self._rank, self._stream._ttl_ms
        for name, descending in self._by:
            out.order.add(column=name, descending=descending)
