"""Process functions: code that runs for each row of a key, with state and timers.

class Deduplicate(KeyedProcessFunction):
    seen = ValueState("seen", ttl=timedelta(hours=1))

    def process(self, row, ctx):
        if self.seen.value() is None:
            self.seen.update(True)
            yield row

stream.key_by(lambda row: row["id"]).process(Deduplicate())
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

if TYPE_CHECKING:
    from headrace.native_functions import NativeFunction
    from headrace.row_types import RowType
    from headrace.stream import DataStream
    from headrace.timers import Timers

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class OutputTag:
    """Names a side output: ctx.output(tag, row) sends to it, side_output(tag) of the stream reads it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise JobTypeError(f"OutputTag ({here()}): it takes a name, not {name!r}")
        self.name = name

    def __repr__(self) -> str:
        return f"OutputTag({self.name!r})"


class Context:
    """What a process function is called with, valid during the call.

    timestamp: the row's event time in ms, or the timer's time; None when rows have no event times.
    """

    timestamp: int | None
    timers: Timers

    @property
    def current_key(self) -> Any:
        """The key, equal to what key_by() gave: True and 1.0 come as 1, which they equal; of group_by() the column's value, or a tuple."""
        raise NotImplementedError

    @property
    def timer_is_event_time(self) -> bool:
        """In on_timer(): whether the timer is one of event time."""
        raise NotImplementedError

    def emit(self, row: Any) -> None:
        """Gives a row, as yielding it does."""
        raise NotImplementedError

    def output(self, tag: str | OutputTag, row: Any) -> None:
        """Sends a row to a side output."""
        raise NotImplementedError


class KeyedProcessFunction(Generic[T, U]):
    """Code for the rows and timers of each key. One instance runs for each subtask; what it keeps itself is not saved, states are.

    An exception fails the job, naming the method, the row or the timer, and the line.
    """

    def open(self, ctx: Any) -> None:
        """Called once before the first row; ctx.subtask and ctx.parallelism say where. States have no key here."""

    def process(self, row: T, ctx: Context) -> Iterable[U] | None:
        """Called for each row: yields rows, returns an iterable of them, or None."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process(row, ctx)")

    def on_timer(self, time: int, ctx: Context) -> Iterable[U] | None:
        """Called when a timer of the current key fires; gives rows as process() does."""
        raise NotImplementedError(f"{type(self).__qualname__} registers timers, but has no on_timer(time, ctx)")


class CoProcessFunction(Generic[T, V, U]):
    """Code for the rows of two streams that meet by key, with shared states and timers; otherwise as KeyedProcessFunction. Rows of
    each stream come in their order by key; between the streams there is none."""

    def open(self, ctx: Any) -> None:
        """Called once before the first row."""

    def process1(self, row: T, ctx: Context) -> Iterable[U] | None:
        """Called for each row of the first stream."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process1(row, ctx)")

    def process2(self, row: V, ctx: Context) -> Iterable[U] | None:
        """Called for each row of the second stream."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process2(row, ctx)")

    def on_timer(self, time: int, ctx: Context) -> Iterable[U] | None:
        """Called when a timer of the current key fires."""
        raise NotImplementedError(f"{type(self).__qualname__} registers timers, but has no on_timer(time, ctx)")


class BroadcastProcessFunction(Generic[T, V, U]):
    """Code for the rows of a stream that look into states which the rows of a broadcast stream make. Every subtask gets all broadcast rows and
    makes the same states of them; they have no key and no TTL. A broadcast row meets the other rows in the order they arrive in a
    subtask, which differs from one to the next. An exception fails the job, naming the method, the row and the line.
    """

    def open(self, ctx: Any) -> None:
        """Called once before the first row."""

    def process_element(self, row: T, ctx: Context) -> Iterable[U] | None:
        """Called for each row of the first stream, in one subtask. States can be read only."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process_element(row, ctx)")

    def process_broadcast(self, row: V, ctx: Context) -> Iterable[U] | None:
        """Called for each broadcast row, in every subtask: what it gives comes once from each. States must follow from the rows alone."""
        raise NotImplementedError(f"{type(self).__qualname__} has no process_broadcast(row, ctx)")


KeyedProcessOperator = KeyedProcessFunction


class Keyed:
    """A stream that process() runs on: what came before it, and the key columns, none behind key_by()."""

    __slots__ = ("keys", "stream")

    def __init__(self, stream: DataStream[Any], keys: tuple[str, ...]) -> None:
        self.stream, self.keys = stream, keys


class ConnectedStreams:
    """Two keyed streams whose rows meet by key. Made by connect(); process() goes on."""

    def __init__(self, first: Keyed, second: Keyed) -> None:
        self._first, self._second = first, second

    def process(self, function: CoProcessFunction[Any, Any, U], *, returns: Any = None) -> DataStream[U]:
        """Runs a CoProcessFunction over the rows of both streams and the timers of each key. returns: as for map()."""
        return _add("process", [self._first, self._second], function, returns)


class BroadcastConnectedStreams:
    """A stream and a broadcast one. Made by connect(); process() goes on."""

    def __init__(self, first: DataStream[Any], rules: DataStream[Any]) -> None:
        self._inputs = [Keyed(first, ()), Keyed(rules, ())]

    def process(self, function: BroadcastProcessFunction[Any, Any, U], *, returns: Any = None) -> DataStream[U]:
        """Runs a BroadcastProcessFunction over the rows of both streams. returns: as for map()."""
        return _add("process", self._inputs, function, returns, broadcast=True)


def connect_broadcast(first: DataStream[Any], rules: Any) -> BroadcastConnectedStreams:
    """What the connect() of a stream without keys does."""
    from headrace.stream import BROADCAST, DataStream

    if not isinstance(rules, DataStream) or rules._partitioning != BROADCAST:
        raise JobTypeError(
            f"connect ({here()}): a stream without keys is connected to a broadcast one: connect(rules.broadcast()); "
            "two streams whose rows meet by key both have a key_by() or group_by() before"
        )
    if rules._env is not first._env:
        raise JobValueError(f"connect ({here()}): the streams belong to different environments")
    if first._partitioning == BROADCAST:
        raise JobValueError(f"connect ({here()}): both streams are broadcast; the first one is not to be")
    return BroadcastConnectedStreams(first, rules)


def connect(first: Keyed, other: Any) -> ConnectedStreams:
    """What the streams' connect() does."""
    from headrace.stream import BROADCAST

    if getattr(other, "_partitioning", None) == BROADCAST:
        raise JobTypeError(
            f"connect ({here()}): a broadcast stream is connected to one without keys: put it in front of key_by()"
        )
    keyed = getattr(other, "_keyed", None)
    if keyed is None:
        raise JobTypeError(f"connect ({here()}): it takes a stream behind key_by() or group_by(), not {type(other).__name__}")
    second: Keyed = keyed()
    if second.stream._env is not first.stream._env:
        raise JobValueError(f"connect ({here()}): the streams belong to different environments")
    if len(first.keys) != len(second.keys):
        raise JobValueError(
            f"connect ({here()}): the streams are keyed differently: key both by functions, or both by as many columns"
        )
    return ConnectedStreams(first, second)


def process(keyed: Keyed, function: Any, returns: Any) -> DataStream[Any]:
    """Adds a process function to the job: what the streams' process() does."""
    return _add("process", [keyed], function, returns)


def _add(what: str, inputs: list[Keyed], function: Any, returns: Any, broadcast: bool = False) -> DataStream[Any]:
    from headrace.native_functions import NativeFunction
    from headrace.row_types import row_type
    from headrace.stream import DataStream, Operator

    declared = None if returns is None else row_type(f"{what} returns", returns)
    if isinstance(function, NativeFunction):
        return _add_native(what, inputs, function, declared)
    spec = Process(function, [keyed.keys for keyed in inputs], declared, broadcast)
    name = type(function).__qualname__.rpartition(".")[2]
    operator = Operator("process", name, [keyed.stream._input for keyed in inputs], spec=spec)
    env = inputs[0].stream._env
    return DataStream(env, env._add(operator))


def _add_native(what: str, inputs: list[Keyed], function: NativeFunction, returns: RowType | None) -> DataStream[Any]:
    from headrace.stream import DataStream, Operator

    if len(inputs) != 1 or not inputs[0].keys:
        raise JobTypeError(
            f"{what} ({here()}): a native function takes one stream by key columns: rows.group_by(…).process(native(…), …)"
        )
    if returns is None:
        raise JobTypeError(f"{what} ({here()}): a native function needs returns=, the columns of the rows that it gives")
    stream = inputs[0].stream
    spec = NativeProcess(function, inputs[0].keys, returns)
    return DataStream(stream._env, stream._env._add(Operator("process", function.function, [stream._input], spec=spec)))


class NativeProcess:
    """Writes a native process function into the plan."""

    def __init__(self, function: NativeFunction, keys: tuple[str, ...], returns: RowType) -> None:
        self.function, self.keys, self.returns = function, keys, returns

    def fill(self, message: Any, pickle: Any) -> None:
        out = message.process
        out.library, out.function.display_name = self.function.library, self.function.function
        out.native_options = self.function.options
        out.keys.extend(self.keys)
        self.returns.fill(out.function.returns)


class Process:
    """Writes a process function into the plan. keys: of each input, columns; none: it is keyed by a function."""

    def __init__(self, function: Any, keys: list[tuple[str, ...]], returns: RowType | None, broadcast: bool = False) -> None:
        from headrace.state import states_of

        if isinstance(function, type):
            raise JobTypeError(f"process ({here()}): it takes an instance: process({function.__name__}())")
        wanted = [("process", "process_element", "process_rows")] if len(keys) == 1 else [("process1",), ("process2",)]
        if broadcast:
            wanted = [("process_element",), ("process_broadcast",)]
        if not all(any(callable(getattr(function, name, None)) for name in names) for names in wanted):
            kind = "KeyedProcessFunction" if len(keys) == 1 else "BroadcastProcessFunction" if broadcast else "CoProcessFunction"
            raise JobTypeError(f"process ({here()}): it takes a {kind}, not {type(function).__name__}")
        self.function, self.keys, self.returns, self.broadcast = function, keys, returns, broadcast
        self.triggers = False  # it gives rows by window, to an aggregate
        self.states = states_of(function)
        for state in self.states.values():
            if broadcast and state.ttl is not None:
                raise JobValueError(
                    f"process ({here()}): the state {state.name!r} has a TTL, which broadcast state does not take: "
                    "subtasks would forget at different times"
                )
        if len(self.states) > 100:
            raise JobValueError(
                f"process ({here()}): {type(function).__qualname__} declares {len(self.states)} states; at most 100 are taken"
            )

    def fill(self, message: Any, pickle: Any) -> None:
        out = message.process
        out.function.pickled, out.function.display_name = pickle(self.function)
        out.keys.extend(self.keys[0])
        if len(self.keys) > 1:
            out.two_inputs = True
            out.second_keys.extend(self.keys[1])
        out.broadcast, out.triggers = self.broadcast, self.triggers
        if self.returns is not None:
            self.returns.fill(out.function.returns)
        named = {state.name: state for state in self.states.values()}
        for name, state in named.items():
            declared = out.states.add(name=name, kind=state.kind)
            if state.ttl is not None:
                declared.ttl_ms, declared.refresh_on_read = state.ttl.ttl_ms, state.ttl.on_read
