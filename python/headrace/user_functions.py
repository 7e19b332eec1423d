"""Python functions of columns: @udf. They are called in expressions of select() and filter(), and run in the job's workers.

@headrace.udf(result="int64")
def digits(number):
    return len(str(number))

@headrace.udf(vectorized=True, result="float64")
def scaled(price):                       # a pyarrow array in, one out
    return pyarrow.compute.multiply(price, 0.908)

bids.select("auction", n=digits(col("price")), euros=scaled(col("price")))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.errors import JobTypeError
from headrace.expressions import Expression, col, lit
from headrace.location import here

if TYPE_CHECKING:
    from headrace.row_types import ColumnType

#: inspect.CO_COROUTINE, without the import's time.
_CO_COROUTINE = 0x80


class UserFunction:
    """A function of columns. Called with expressions, names of columns or literals it gives an expression; with other values it is the
    function itself, so that it can be tested."""

    def __init__(self, function: Callable[..., Any], result: ColumnType, vectorized: bool) -> None:
        from headrace.functions import describe

        self.function, self.result, self.vectorized = function, result, vectorized
        self.__name__ = describe(function)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:
        if not any(isinstance(argument, Expression) for argument in arguments):
            return self.function(*arguments)
        return CallExpression(self, tuple(lit(argument) for argument in arguments))

    def of(self, *columns: str) -> Expression:
        """The call with columns by name: digits.of("price")."""
        return CallExpression(self, tuple(col(name) for name in columns))

    def __repr__(self) -> str:
        return f"udf {self.__name__}"


class CallExpression(Expression):
    """A call of a user function. Not for aggregates, timestamps and join conditions: add its column with select() first."""

    __slots__ = ("_user",)

    def __init__(self, user: UserFunction, arguments: tuple[Expression, ...]) -> None:
        super().__init__("user", user.__name__, None, arguments)
        self._user = user

    def fill(self, message: Any) -> None:
        out = message.user
        out.vectorized = self._user.vectorized
        self._user.result.fill(out.result)
        out.function.pickled, out.function.display_name = _pickle(self._user.function)
        for argument in self._arguments:
            argument.fill(out.arguments.add())


#: How the graph that is built pickles functions; set for the time of build_job_graph().
_pickle: Callable[[Any], tuple[bytes, str]] = lambda function: (b"", "")  # noqa: E731


def pickled(function: Any) -> tuple[bytes, str]:
    """The function as the graph that is built has it, and what errors call it."""
    return _pickle(function)


def pickling_with(pickle: Callable[[Any], tuple[bytes, str]]) -> None:
    """Called by the graph builder before it fills an operator: functions inside its expressions are pickled this way."""
    global _pickle
    _pickle = pickle


def udf(function: Callable[..., Any] | None = None, *, result: Any, vectorized: bool = False) -> Any:
    """Makes a function callable in expressions.

    result: the type of what it gives, as in row types: "int64", float, "timestamp[ms]", … None gives null.
    A scalar function is called once for each row, with the values of its arguments; null comes as None.
    vectorized: it is called once for up to 65,536 rows with a pyarrow array for each argument, and gives an array (or what
    pyarrow.array() takes) of the same length.

    Errors: an exception fails the job, naming the function, the row's values and the line; so does a result of another type.
    """
    from headrace.row_types import column_type

    declared = column_type("udf", result)

    def wrap(function: Callable[..., Any]) -> UserFunction:
        if not callable(function):
            raise JobTypeError(f"udf ({here()}): it takes a function, not {type(function).__name__}")
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _CO_COROUTINE:
            raise JobTypeError(f"udf ({here()}): it takes a plain function; an async one gives no value when it is called")
        return UserFunction(function, declared, bool(vectorized))

    return wrap if function is None else wrap(function)
