"""Streams: the verbs a job is written in. Each verb adds an operator to the environment and gives the stream behind it.

Nothing runs here. Wrong arguments raise JobTypeError or JobValueError naming the operator and the user's file and line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import Location, here

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Self

    from headrace.aggregates import Aggregate
    from headrace.connectors import Connector, Sink, Source
    from headrace.environment import StreamExecutionEnvironment
    from headrace.execution import CollectedRows
    from headrace.expressions import Expression
    from headrace.grouped_stream import GroupedStream, WindowedStream
    from headrace.process import BroadcastConnectedStreams, ConnectedStreams, Keyed, KeyedProcessFunction
    from headrace.row_types import RowType
    from headrace.tables import LookupCache, PostgresTable
    from headrace.watermarks import WatermarkStrategies
    from headrace.windows import Window

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")

MAX_PARALLELISM: Final = 32768
_MAX_NAME_BYTES: Final = 200
#: Of plan.proto's Partitioning.
BROADCAST: Final = 4
#: inspect.CO_COROUTINE, without the import's time.
_CO_COROUTINE: Final = 0x80


class Operator:
    """One node of the job as it is written. inputs: DataStream._input of each: operator, partitioning as in plan.proto, side output ("": main). spec: of kinds over typed rows, what
    writes the operator's message (fill(message, pickle))."""

    __slots__ = (
        "connector",
        "default_name",
        "explicit_name",
        "explicit_uid",
        "function",
        "in_flight",
        "inputs",
        "kind",
        "location",
        "parallelism",
        "returns",
        "spec",
    )

    def __init__(
        self, kind: str, default_name: str, inputs: list[tuple[Operator, int, str]], *,
        function: Callable[..., Any] | None = None, connector: Connector | None = None, spec: Any = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.in_flight = 0
        self.default_name = default_name.encode("utf-8", "replace")[:100].decode("utf-8", "ignore")
        self.inputs = inputs
        self.function = function
        self.connector = connector
        self.spec = spec
        self.parallelism = 0
        self.returns: RowType | None = None
        self.explicit_name: str | None = None
        self.explicit_uid: str | None = None
        self.location: Location = here()

    @property
    def name(self) -> str:
        return self.explicit_name or self.default_name

    def describe(self) -> str:
        """As every message names an operator."""
        return f'{self.kind} "{self.name}" ({self.location})'


def check_parallelism(who: str, parallelism: Any) -> int:
    if isinstance(parallelism, bool) or not isinstance(parallelism, int):
        raise JobTypeError(f"{who}: parallelism takes an int, not {type(parallelism).__name__}")
    if not 1 <= parallelism <= MAX_PARALLELISM:
        raise JobValueError(f"{who}: parallelism is {parallelism}; it must be 1 to {MAX_PARALLELISM}")
    return parallelism


def check_label(who: str, what: str, label: Any) -> str:
    if not isinstance(label, str):
        raise JobTypeError(f"{who}: {what} takes a str, not {type(label).__name__}")
    if not label or len(label.encode("utf-8", "replace")) > _MAX_NAME_BYTES or not label.isprintable():
        raise JobValueError(f"{who}: {what} must have 1 to {_MAX_NAME_BYTES} printable bytes")
    return label


class _Settable:
    """What can be said of the operator just added."""

    def __init__(self, env: StreamExecutionEnvironment, operator: Operator) -> None:
        self._env = env
        self._operator = operator

    def name(self, name: str) -> Self:
        """Names the operator, for people and for its uid. Two operators of one job cannot share a name unless they set uids."""
        self._operator.explicit_name = check_label(self._operator.describe(), "name()", name)
        return self

    def uid(self, uid: str) -> Self:
        """Sets the operator's identity across versions of the job; without it, it follows from the name or from kind and upstream."""
        self._operator.explicit_uid = check_label(self._operator.describe(), "uid()", uid)
        return self

    def set_parallelism(self, parallelism: int) -> Self:
        """Subtasks of the operator, 1 to 32768; without it the environment's."""
        self._operator.parallelism = check_parallelism(self._operator.describe(), parallelism)
        return self


class DataStreamSink(_Settable):
    """A sink that was added."""


class DataStream(_Settable, Generic[T]):
    """Rows of type T behind an operator."""

    def __init__(self, env: StreamExecutionEnvironment, operator: Operator, partitioning: int = 0, tag: str = "") -> None:
        super().__init__(env, operator)
        self._partitioning, self._tag = partitioning, tag
        # Side outputs of operators in front of this one that were added with it: tag and operator.
        self._sides: dict[str, Operator] = {}

    @property
    def _input(self) -> tuple[Operator, int, str]:
        """What an operator behind this stream has as its input."""
        return self._operator, self._partitioning, self._tag

    if not TYPE_CHECKING:  # to a type checker a stream without a key has no such verb

        def __getattr__(self, name: str) -> Any:
            if name in ("reduce", "process", "connect"):
                raise AttributeError(
                    f"{name} ({here()}): it works on the rows of a key: call key_by() or group_by() on the stream first"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _function(self, kind: str, function: Any, returns: Any = None, in_flight: int = 0) -> Operator:
        from headrace.functions import describe

        if not callable(function):
            raise JobTypeError(f"{kind} ({here()}): it takes a function, not {type(function).__name__}")
        if in_flight == 0 and getattr(getattr(function, "__code__", None), "co_flags", 0) & _CO_COROUTINE:
            raise JobTypeError(
                f"{kind} ({here()}): it takes a plain function; an async one gives no row when it is called"
                + ("; map_async() waits for it" if kind == "map" else "")
            )
        shown = describe(function)
        name = kind if "<lambda>" in shown else shown
        operator = Operator(kind, name, [self._input], function=function)
        operator.in_flight = in_flight
        if returns is not None:
            from headrace.row_types import row_type

            operator.returns = row_type(f"{kind} returns", returns)
        return self._env._add(operator)

    def map(self, function: Callable[[T], U], *, returns: Any = None) -> DataStream[U]:
        """One row out for each row in: function(row). Typed rows come as dicts, or as instances of the source's dataclass.

        returns: a row type (dataclass, TypedDict, dict of names and types, pyarrow schema): what comes out is typed."""
        return DataStream(self._env, self._function("map", function, returns))

    def map_async(
        self,
        function: Callable[[T], Awaitable[U]],
        *,
        max_in_flight: int = 100,
        timeout: int | timedelta = 10_000,
        ordered: bool = True,
        retries: int = 0,
        retry_delay: int | timedelta = 100,
        on_timeout: Callable[[T], U] | None = None,
        returns: Any = None,
    ) -> DataStream[U]:
        """As map(), of an async function: each subtask waits for up to max_in_flight calls at a time.

        timeout: of one call (ms or timedelta); over it the call is cancelled. retries: how often a call that raised or took too long is made
        again, retry_delay later, then twice that. on_timeout: what stands for the result of a call whose last try took too long; without it
        the job fails, as it does with what the last try raised. ordered: rows leave in the order they came; False: within a trip to the
        worker in the order the calls returned. Up to three trips of a subtask are with its worker: calls of the next begin as soon as those
        of the one before leave room, and each trip must be over within python.batch_timeout. Watermarks and barriers wait for all of them.
        """
        from headrace.async_calls import AsyncCalls

        calls = AsyncCalls.of(function, max_in_flight, timeout, retries, retry_delay, on_timeout)
        return DataStream(self._env, self._function("map" if ordered else "flat_map", calls, returns, in_flight=max_in_flight))

    def filter(self, condition: Callable[[T], object] | Expression) -> DataStream[T]:
        """The rows for which condition(row) is true; of typed rows also an expression: filter(col("price") > 10), without Python."""
        from headrace.expressions import Expression

        if isinstance(condition, Expression):
            from headrace.relational import Where

            return self._relational("where", Where(condition))
        return DataStream(self._env, self._function("filter", condition))

    def _relational(self, kind: str, spec: Any) -> DataStream[Any]:
        return DataStream(self._env, self._env._add(Operator(kind, kind, [self._input], spec=spec)))

    def select(self, *columns: str | Expression, **named: Any) -> DataStream[Any]:
        """Typed rows with these columns: names, col(…), and name=expression; select("auction", euros=col("price") * 0.908)."""
        from headrace.relational import Select

        return self._relational("select", Select.of("select", columns, named))

    def with_watermarks(self, strategy: WatermarkStrategies) -> DataStream[T]:
        """Gives rows their event time and the stream its watermarks; right behind the source they are kept per split."""
        from headrace.relational import EventTime
        from headrace.watermarks import WatermarkStrategies

        if not isinstance(strategy, WatermarkStrategies):
            raise JobTypeError(f"with_watermarks ({here()}): it takes a WatermarkStrategies, not {type(strategy).__name__}")
        return self._relational("event_time", EventTime(strategy))

    assign_timestamps_and_watermarks = with_watermarks

    def lookup_join(
        self,
        table: Source[Any] | PostgresTable,
        *,
        on: str | Sequence[str] | Mapping[str, str],
        how: str = "inner",
        cache: LookupCache | int | None = 100_000,
        timeout: int | timedelta = 30_000,
        retry_delay: int | timedelta = 100,
        max_in_flight: int = 4,
    ) -> DataStream[Any]:
        """Each row with the rows of a table that have equal keys: the row's columns, then the table's others.

        table: a bounded source of typed rows, read whole by every subtask before its first row; or a PostgresTable, which is asked for the
        keys of each batch. on: columns of both, or {"column of the stream": "column of the table"}. how: "inner" leaves rows without a
        match out, "left" gives them nulls.

        Of a PostgresTable: cache: a LookupCache, a number of keys, or None. timeout: how long the rows of a batch are asked for, tries
        included, until the job fails. retry_delay: before the second try; it doubles up to 2 s. max_in_flight: batches of a subtask that
        wait for answers; rows leave in their order all the same.
        """
        from headrace.lookup import LookupSpec

        asking = {"cache": cache, "timeout": timeout, "retry_delay": retry_delay, "max_in_flight": max_in_flight}
        return self._relational("lookup_join", LookupSpec.of(table, on, how, asking))

    def group_by(self, *columns: str | Expression, **named: Any) -> GroupedStream:
        """Groups typed rows by columns: names, col(…), or name=expression for a computed one."""
        from headrace.expressions import Expression
        from headrace.relational import Select, column_name

        if not columns and not named:
            raise JobValueError(
                f"group_by ({here()}): it takes at least one column; for one group of all rows use window() or agg() alone"
            )
        keys = [column_name("group_by", c) for c in columns]
        stream: DataStream[Any] = self
        if named:
            for name, value in named.items():
                if not isinstance(value, Expression):
                    raise JobTypeError(f"group_by ({here()}): {name} takes an expression, not {type(value).__name__}")
            stream = self._relational("select", Select.added(named))
        from headrace.grouped_stream import GroupedStream

        return GroupedStream(stream, (*keys, *named))

    def _grouped(self) -> GroupedStream:
        from headrace.grouped_stream import GroupedStream

        return GroupedStream(self, ())

    def window(self, window: Window) -> WindowedStream:
        """All rows by window, without keys."""
        return self._grouped().window(window)

    def agg(self, **calls: Aggregate) -> DataStream[Any]:
        """Aggregates over all rows: agg(n=count()); a new row whenever the result has changed."""
        return self._grouped().agg(**calls)

    def top(self, n: int, *, by: str | list[str], descending: bool = True, ties: bool = False, rank: str = "") -> DataStream[Any]:
        """The first n rows by a column's order; behind a windowed aggregate, of each window. See GroupedStream.top()."""
        return self._grouped().top(n, by=by, descending=descending, ties=ties, rank=rank)

    def flat_map(self, function: Callable[[T], Iterable[U]], *, returns: Any = None) -> DataStream[U]:
        """Any number of rows out for each row in: the items of function(row), a list or a generator. returns: as for map()."""
        return DataStream(self._env, self._function("flat_map", function, returns))

    def key_by(self, function: Callable[[T], K]) -> KeyedStream[T]:
        """Groups rows by function(row): equal keys meet in one subtask. Keys: None, bool, int, float, Decimal, str, bytes, tuple,
        dates and times, UUID, enum, frozen dataclass; equal in Python is equal here (1, 1.0 and True are one key)."""
        return KeyedStream(self._env, self._function("key_by", function))

    def union(self, *others: DataStream[T]) -> DataStream[T]:
        """The rows of this stream and of the others, in no order between them."""
        streams: list[DataStream[T]] = [self, *others]
        if not others:
            raise JobValueError(f"union ({here()}): it takes at least one other stream")
        for stream in streams:
            if not isinstance(stream, DataStream):
                raise JobTypeError(f"union ({here()}): it takes streams, not {type(stream).__name__}")
            if stream._env is not self._env:
                raise JobValueError(f"union ({here()}): the streams belong to different environments")
        inputs = [stream._input for stream in streams]
        return DataStream(self._env, self._env._add(Operator("union", "union", inputs)))

    def join(
        self, other: DataStream[Any], *, on: Any, how: str = "inner", window: Window | None = None, between: Any = None,
        as_of: bool | str = False, ttl: Any = None, suffix: str = "_right", late_to: Any = None,
    ) -> DataStream[Any]:  # fmt: skip
        """Pairs of rows of this stream and another with equal keys; null is equal to nothing.

        on: names that both have, or (left, right) pairs. how: inner, left, right, full, semi, anti.
        window: rows of one tumbling or sliding window; or name window_start and window_end in on, when both streams have windows.
        between: bounds in ms of the other row's time against this one's, as in (-5000, 10000). as_of: the other stream's newest row that is
        not newer than this one's, by event time (True), or with "processing_time" the last one that came before it. Without any of them
        every row meets every other; ttl (ms or timedelta, or one a side) lets them go. suffix: for columns of the other stream whose name
        this one has. late_to: tags of side outputs for late rows of this stream and of the other one, as in ("late_left", "late_right");
        None drops them. See docs/reference/joins.md.
        """
        from headrace.joins import JoinSpec

        if not isinstance(other, DataStream):
            raise JobTypeError(f"join ({here()}): it takes a stream, not {type(other).__name__}")
        if other._env is not self._env:
            raise JobValueError(f"join ({here()}): the streams belong to different environments")
        spec = JoinSpec.of(on, how, window, between, as_of, ttl, suffix, late_to)
        inputs = [self._input, other._input]
        return DataStream(self._env, self._env._add(Operator("join", "join", inputs, spec=spec)))

    def deduplicate(
        self, *columns: str | Expression, keep: str = "first", by: str = "arrival", ttl: Any = None
    ) -> DataStream[Any]:
        """One row for each value of the columns: the first or the last, by "arrival" or by "event_time". See docs/reference/updates.md.

        ttl: ms or timedelta of the machine's clock; a value is forgotten so long after its row was replaced last, and the next one is new.
        """
        from headrace.joins import DeduplicateSpec

        return self._relational("deduplicate", DeduplicateSpec.of(columns, keep, by, ttl))

    def _partitioned(self, partitioning: int) -> DataStream[T]:
        return DataStream(self._env, self._operator, partitioning, self._tag)

    def side_output(self, tag: str) -> DataStream[Any]:
        """Rows that the operator gave to a side output: those of late_to(tag), as they came in, or what a process
        function sent there with ctx.output(tag, row)."""
        name = check_label(f"side_output ({here()})", "the tag", tag)
        return DataStream(self._env, self._sides.get(name, self._operator), 0, name)

    def forward(self) -> DataStream[T]:
        """Rows stay in their subtask on the way to the next operator, which must have the same parallelism."""
        return self._partitioned(1)

    def rebalance(self) -> DataStream[T]:
        """Rows are dealt evenly over the subtasks of the next operator."""
        return self._partitioned(3)

    def broadcast(self) -> DataStream[T]:
        """Every subtask of the next operator gets every row."""
        return self._partitioned(BROADCAST)

    def connect(self, other: DataStream[Any]) -> BroadcastConnectedStreams:
        """This stream and a broadcast one, connect(rules.broadcast()), for a BroadcastProcessFunction."""
        from headrace.process import connect_broadcast

        return connect_broadcast(self, other)

    def add_sink(self, sink: Sink) -> DataStreamSink:
        """Sends the rows to a sink."""
        from headrace.connectors import Sink as SinkClass

        if not isinstance(sink, SinkClass):
            raise JobTypeError(f"add_sink ({here()}): it takes a sink such as KafkaSink or PrintSink, not {type(sink).__name__}")
        inputs = [self._input]
        return DataStreamSink(self._env, self._env._add(Operator("sink", sink.default_name, inputs, connector=sink)))

    def print(self, prefix: str = "") -> DataStreamSink:
        """Shows the rows on standard output, each behind the prefix."""
        from headrace.connectors import PrintSink

        return self.add_sink(PrintSink(prefix))

    def collect(self) -> list[T]:
        """Runs the job embedded and gives all rows of this stream; the sources must be bounded. JobFailed if the job fails."""
        return list(self.execute_and_collect())

    def execute_and_collect(self) -> CollectedRows[T]:
        """Runs the job embedded and gives rows as they come; closing or dropping the iterator ends the job."""
        from headrace.connectors import CollectSink

        sink = self.add_sink(CollectSink())
        return self._env._execute_and_collect(sink._operator)


class KeyedStream(DataStream[T]):
    """Rows grouped by key."""

    def reduce(self, function: Callable[[T, T], T]) -> DataStream[T]:
        """Folds the rows of each key: function(accumulator, row) -> accumulator; the first row is the first accumulator.
        Emits the running result for every row, in order per key. The function must return new objects, not change its arguments."""
        return DataStream(self._env, self._function("reduce", function))

    def process(self, function: KeyedProcessFunction[T, U], *, returns: Any = None) -> DataStream[U]:
        """Runs a KeyedProcessFunction over the rows and timers of each key, with its states. returns: as for map()."""
        from headrace.process import process

        return process(self._keyed(), function, returns)

    def connect(self, other: KeyedStream[Any] | GroupedStream) -> ConnectedStreams:  # type: ignore[override]
        """This stream and another one: equal keys of both meet, for a CoProcessFunction."""
        from headrace.process import connect

        return connect(self._keyed(), other)

    def _keyed(self) -> Keyed:
        from headrace.process import Keyed

        return Keyed(self, ())
