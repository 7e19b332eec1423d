"""Expressions over columns: ``col("price") * 0.908``, ``col("channel").lower()``. They run as native kernels, never in Python.

Nothing is computed here: operators and methods build a tree, and the engine settles its types when the job is submitted or run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from headrace.errors import JobTypeError
from headrace.location import here


class Expression:
    """A value computed from the columns of a row. Combine with ``+ - * / // % ** == != < <= > >= & | ~`` and the methods below.

    Null in gives null out unless a method says otherwise. int64 overflow and division of ints by zero fail the job; below try_() they give null.
    ``&``, ``|`` and ``~`` stand for and, or, not: ``and`` cannot be overloaded.
    """

    __slots__ = ("_arguments", "_kind", "_name", "_value")
    __hash__ = None  # type: ignore[assignment]  # == builds an expression

    def __init__(self, kind: str, name: str = "", value: Any = None, arguments: tuple[Expression, ...] = ()) -> None:
        self._kind, self._name, self._value, self._arguments = kind, name, value, arguments

    def __repr__(self) -> str:
        if self._kind == "column":
            return f"col({self._name!r})"
        if self._kind == "literal":
            return repr(self._value)
        if self._kind == "cast":
            return f"{self._arguments[0]!r}.cast({self._value!r})"
        return f"{self._name}({', '.join(map(repr, self._arguments))})"

    def __bool__(self) -> NoReturn:
        raise JobTypeError(
            f"expression ({here()}): an expression has no truth value before the job runs; use & | ~ instead of and, or, not"
        )

    def __iter__(self) -> NoReturn:
        raise JobTypeError(f"expression ({here()}): an expression cannot be iterated; use .element(i) for an element of a list")

    # ---- arithmetic ----

    def __add__(self, other: Any) -> Expression:
        return call("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return call("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return call("subtract", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return call("subtract", other, self)

    def __mul__(self, other: Any) -> Expression:
        return call("multiply", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return call("multiply", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return call("divide", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return call("divide", other, self)

    def __floordiv__(self, other: Any) -> Expression:
        return call("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Expression:
        return call("floor_divide", other, self)

    def __mod__(self, other: Any) -> Expression:
        return call("modulo", self, other)

    def __rmod__(self, other: Any) -> Expression:
        return call("modulo", other, self)

    def __pow__(self, other: Any) -> Expression:
        return call("power", self, other)

    def __neg__(self) -> Expression:
        return call("negate", self)

    def __abs__(self) -> Expression:
        return call("abs", self)

    def abs(self) -> Expression:
        """The number without its sign."""
        return call("abs", self)

    def round(self, digits: int = 0) -> Expression:
        """Rounded to `digits` behind the point, half to even."""
        return call("round", self, digits)

    def floor(self) -> Expression:
        """The greatest whole number that is not greater."""
        return call("floor", self)

    def ceil(self) -> Expression:
        """The least whole number that is not less."""
        return call("ceil", self)

    def sqrt(self) -> Expression:
        """Square root; NaN of negative numbers."""
        return call("sqrt", self)

    def exp(self) -> Expression:
        """e to the power of the number."""
        return call("exp", self)

    def ln(self) -> Expression:
        """Natural logarithm."""
        return call("ln", self)

    # ---- comparison ----

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return call("equal", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return call("not_equal", self, other)

    def __lt__(self, other: Any) -> Expression:
        return call("less", self, other)

    def __le__(self, other: Any) -> Expression:
        return call("less_equal", self, other)

    def __gt__(self, other: Any) -> Expression:
        return call("greater", self, other)

    def __ge__(self, other: Any) -> Expression:
        return call("greater_equal", self, other)

    def is_in(self, values: Iterable[Any]) -> Expression:
        """Whether it equals one of some literals."""
        return call("is_in", self, *values)

    def between(self, least: Any, most: Any) -> Expression:
        """Whether it is at least `least` and at most `most`."""
        return call("between", self, least, most)

    # ---- boolean and null ----

    def __and__(self, other: Any) -> Expression:
        return call("and", self, other)

    def __rand__(self, other: Any) -> Expression:
        return call("and", other, self)

    def __or__(self, other: Any) -> Expression:
        return call("or", self, other)

    def __ror__(self, other: Any) -> Expression:
        return call("or", other, self)

    def __invert__(self) -> Expression:
        return call("not", self)

    def is_null(self) -> Expression:
        """Whether there is no value."""
        return call("is_null", self)

    def is_not_null(self) -> Expression:
        """Whether there is a value."""
        return call("is_not_null", self)

    def or_else(self, *others: Any) -> Expression:
        """The value, or the first of the others that is not null."""
        return call("coalesce", self, *others)

    def null_if(self, value: Any) -> Expression:
        """Null where it equals `value`."""
        return call("null_if", self, value)

    def try_(self) -> Expression:
        """Null where computing it would fail: overflow, division by zero, a cast that does not fit."""
        return call("try", self)

    def cast(self, to: Any, *, or_null: bool = False) -> Expression:
        """As another type: ``int``, ``str``, "int32", "decimal(10, 2)", "timestamp[ms]". What does not fit fails the job, or is null with or_null."""
        from headrace.row_types import column_type

        return Expression("cast", "or_null" if or_null else "", column_type("cast", to), (self,))

    # ---- text ----

    def lower(self) -> Expression:
        """Text in lower case."""
        return call("lower", self)

    def upper(self) -> Expression:
        """Text in upper case."""
        return call("upper", self)

    def length(self) -> Expression:
        """Characters of text, bytes of binary, elements of a list: see list_length() for those."""
        return call("length", self)

    def substring(self, start: Any, length: Any = None) -> Expression:
        """Characters from `start` (0 first, negative from the end), at most `length` of them."""
        return call("substring", self, start) if length is None else call("substring", self, start, length)

    def trim(self) -> Expression:
        """Without white space at both ends."""
        return call("trim", self)

    def starts_with(self, text: Any) -> Expression:
        """Whether it begins with `text`."""
        return call("starts_with", self, text)

    def ends_with(self, text: Any) -> Expression:
        """Whether it ends with `text`."""
        return call("ends_with", self, text)

    def contains(self, text: Any) -> Expression:
        """Whether it holds `text`."""
        return call("contains", self, text)

    def replace(self, old: Any, new: Any) -> Expression:
        """Every `old` replaced by `new`."""
        return call("replace", self, old, new)

    def split_part(self, separator: Any, index: Any) -> Expression:
        """Part `index` (0 first) of the text split at `separator`; null when there is none."""
        return call("split_part", self, separator, index)

    def like(self, pattern: str) -> Expression:
        """Whether it fits a SQL pattern: % any characters, _ one."""
        return call("like", self, pattern)

    def matches(self, pattern: str) -> Expression:
        """Whether a regular expression (RE2) is found in it."""
        return call("regexp_matches", self, pattern)

    def extract(self, pattern: str, group: int = 0) -> Expression:
        """What a group of a regular expression (RE2) matched first; null when nothing did."""
        return call("regexp_extract", self, pattern, group)

    def replace_regexp(self, pattern: str, replacement: str) -> Expression:
        r"""Every match of a regular expression (RE2) replaced; ``\1`` is its first group."""
        return call("regexp_replace", self, pattern, replacement)

    # ---- time ----

    def year(self) -> Expression:
        """Year of a date or timestamp, UTC; likewise month, day, hour, minute, second, day_of_week (1 Monday)."""
        return call("year", self)

    def month(self) -> Expression:
        """Month, 1 to 12."""
        return call("month", self)

    def day(self) -> Expression:
        """Day of the month."""
        return call("day", self)

    def hour(self) -> Expression:
        """Hour, 0 to 23."""
        return call("hour", self)

    def minute(self) -> Expression:
        """Minute, 0 to 59."""
        return call("minute", self)

    def second(self) -> Expression:
        """Second, 0 to 59."""
        return call("second", self)

    def day_of_week(self) -> Expression:
        """Day of the week, 1 Monday to 7 Sunday."""
        return call("day_of_week", self)

    def date(self) -> Expression:
        """The date of a timestamp, UTC."""
        return call("date", self)

    def truncate(self, unit: str) -> Expression:
        """The timestamp cut to "second", "minute", "hour", "day", "week", "month" or "year"."""
        return call("truncate", unit, self)

    def format_time(self, format: str) -> Expression:
        """A date or timestamp as text, by a strftime format."""
        return call("format_time", self, format)

    def parse_time(self, format: str) -> Expression:
        """Text as a timestamp, by a strptime format."""
        return call("parse_time", self, format)

    def epoch_ms(self) -> Expression:
        """Milliseconds since 1970 UTC."""
        return call("epoch_ms", self)

    # ---- nested ----

    def field(self, name: str) -> Expression:
        """A field of a struct."""
        return call("field", self, name)

    def element(self, index: Any) -> Expression:
        """An element of a list, 0 first, negative from the end; null when there is none."""
        return call("element", self, index)

    def list_length(self) -> Expression:
        """Elements of a list."""
        return call("list_length", self)

    def list_contains(self, value: Any) -> Expression:
        """Whether a list holds a value."""
        return call("list_contains", self, value)

    # ---- the expression as it travels ----

    def fill(self, message: Any) -> None:
        """Writes it into a plan_pb2.Expression."""
        from headrace import codec

        if self._kind == "column":
            message.column = self._name
        elif self._kind == "literal":
            message.literal = bytes(codec.encode(self._value))
        elif self._kind == "cast":
            self._arguments[0].fill(message.cast.argument)
            self._value.fill(message.cast.type)
            message.cast.or_null = self._name == "or_null"
        else:
            message.call.function = self._name
            for argument in self._arguments:
                argument.fill(message.call.arguments.add())

    def columns(self) -> list[str]:
        """Names of the columns it reads, each once."""
        found = dict.fromkeys([self._name] if self._kind == "column" else [])
        for argument in self._arguments:
            found.update(dict.fromkeys(argument.columns()))
        return list(found)


def col(name: str) -> Expression:
    """The column of that name."""
    if not isinstance(name, str) or not name:
        raise JobTypeError(f"col ({here()}): it takes the name of a column, not {name!r}")
    return Expression("column", name)


def lit(value: Any) -> Expression:
    """The same value for every row: None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta."""
    from datetime import date, time, timedelta
    from decimal import Decimal

    if isinstance(value, Expression):
        return value
    if value is not None and not isinstance(value, (bool, int, float, str, bytes, Decimal, date, time, timedelta)):
        raise JobTypeError(
            f"lit ({here()}): {type(value).__name__} is no literal; there are None, bool, int, float, str, bytes, Decimal and times"
        )
    return Expression("literal", value=value)


def call(function: str, *arguments: Any) -> Expression:
    """A function of docs/reference/expressions.md by its name; what is no expression becomes a literal."""
    return Expression("call", function, arguments=tuple(lit(a) for a in arguments))


def if_(condition: Expression, then: Any, otherwise: Any = None) -> Expression:
    """`then` where the condition is true, else `otherwise`."""
    return call("if", condition, then, otherwise)


class When:
    """case(): when(condition, value).when(…).otherwise(value)."""

    def __init__(self, pairs: tuple[Any, ...]) -> None:
        self._pairs = pairs

    def when(self, condition: Expression, value: Any) -> When:
        """Another pair; the first condition that is true decides."""
        return When((*self._pairs, condition, value))

    def otherwise(self, value: Any) -> Expression:
        """The value when no condition is true."""
        return call("case", *self._pairs, value)


def when(condition: Expression, value: Any) -> When:
    """Begins a case: ``when(col("hour") < 6, "night").when(…).otherwise("day")``."""
    return When((condition, value))


def coalesce(*values: Any) -> Expression:
    """The first value that is not null."""
    return call("coalesce", *values)


def concat(*texts: Any) -> Expression:
    """The texts one after the other."""
    return call("concat", *texts)


def least(*values: Any) -> Expression:
    """The least of the values that are not null."""
    return call("least", *values)


def greatest(*values: Any) -> Expression:
    """The greatest of the values that are not null."""
    return call("greatest", *values)


def from_epoch_ms(value: Any) -> Expression:
    """A timestamp from milliseconds since 1970 UTC."""
    return call("from_epoch_ms", value)


def struct(**fields: Any) -> Expression:
    """A struct of named values."""
    return call("struct", *(part for name, value in fields.items() for part in (name, value)))


def hash_of(*values: Any) -> Expression:
    """A 64-bit hash, the same on every machine."""
    return call("hash", *values)
