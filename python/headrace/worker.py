"""The worker process that runs Python functions for a TaskManager: ``python -m headrace.worker FD``.

The protocol is docs/formats/worker.md: datagrams over a SOCK_SEQPACKET socket, bodies in memfd arenas. One thread, one
request at a time, answers in order. The process ends when the socket closes (0), at STOP (0) or at a datagram it does not
understand (2). Whatever user code raises, SystemExit included, is answered with FAILED and the worker goes on.

It keeps imports few: start-up counts in the time to a job's first result.
"""

from __future__ import annotations

import _socket
import os
import sys
from collections import deque
from functools import partial
from itertools import chain
from struct import Struct
from time import perf_counter_ns
from typing import Any, Final

from headrace import codec
from headrace.codec_py import ABSENT, ROLE_GROUP, ROLE_KEY, ROLE_STATE, ROLE_VALUE
from headrace.worker_errors import UserError, report

PROTOCOL_VERSION: Final = 2
HELLO, READY, LOAD, LOADED, RUN, DONE, FAILED, DROP, STOP = range(1, 10)
DATAGRAM: Final = Struct("<IIQQQQ")
_U64: Final = Struct("<Q")
#: Where answers start in an output arena: the block behind the 8 bytes of user time is then 64-byte aligned.
_ANSWER_AT: Final = 56
_MAX_ARENAS: Final = 64

Rows = list[Any]


class Operator:
    """One user function of a stage."""

    __slots__ = ("calls", "function", "kind", "name", "plain", "uid")

    def __init__(self, description: dict[str, Any]) -> None:
        from headrace.functions import unpack_function

        self.kind: str = description["kind"]
        self.uid: str = description["uid"]
        self.name: str = description["name"]
        self.function = unpack_function(description["function"])
        # A comprehension calls a function written in Python without leaving the interpreter's loop; map() is faster for the rest.
        self.plain = type(self.function) is type(report)
        # Of map_async(): it runs many calls at a time.
        loaded: Any = sys.modules.get("headrace.async_calls")
        self.calls = self.function if loaded is not None and isinstance(self.function, loaded.AsyncCalls) else None

    def apply(self, rows: Any, batch: Any = None) -> Rows:
        """batch: of calls that began already."""
        function = self.function
        if self.calls is not None:
            if self.kind == "map":
                results: Rows = self.calls.run(rows, False, batch)
                return results
            return [row for _, row in self.calls.run(rows, True, batch)]
        if self.kind == "flat_map":
            if self.plain:
                return [out for row in rows for out in function(row)]
            return list(chain.from_iterable(map(function, rows)))
        if self.kind == "filter":
            return [row for row in rows if function(row)] if self.plain else list(filter(function, rows))
        return [function(row) for row in rows] if self.plain else list(map(function, rows))


class Stage:
    """Operators that run back to back over whole batches."""

    def __init__(self, operators: list[Operator]) -> None:
        self.operators = operators
        #: Of map_async(), which begins its stage: its calls, and the values and calls of trips that began before their turn, by where they lie.
        self.calls: Any = operators[0].calls
        self.begun: dict[tuple[int, int], Any] = {}

    def begin(self, source: Any, offset: int, length: int) -> None:
        """Begins the calls of a trip whose turn comes later."""
        values = {role: rows for role, _, rows in source.read_block(offset, length)}[ROLE_VALUE]
        self.begun[id(source), offset] = values, self.calls.begin(values)

    def run(self, values: Any, batch: Any = None) -> tuple[list[tuple[int, Rows]], int]:
        """Output columns and the nanoseconds spent in user code. batch: calls of the first operator that began already."""
        start = perf_counter_ns() if batch is None else batch.begun_ns
        if self.operators[0].kind == "key_by" or self.calls is not None:
            values = list(values)  # which it leaves as they are, or takes all at once
        keys: Rows | None = None
        for operator in self.operators:
            rows: Any = iter(values)  # knows how many rows are left, which names the failing one
            try:
                result = operator.apply(rows, batch)
                batch = None
            except BaseException as error:
                at = len(values) - rows.__length_hint__() - 1
                raise UserError(operator, values[at] if at >= 0 else None, at >= 0) from error
            if operator.kind == "key_by":
                keys = result
            else:
                values = result
        if type(values) is not list:
            values = list(values)
        columns = [(ROLE_VALUE, values)] if keys is None else [(ROLE_VALUE, values), (ROLE_KEY, keys)]
        return columns, perf_counter_ns() - start

    def reduce(self, values: Any, groups: Any, states: Rows) -> tuple[list[tuple[int, Rows]], int]:
        """As run; states is changed in place."""
        start = perf_counter_ns()
        function = self.operators[0].function
        absent = ABSENT
        out: Rows = []
        append = out.append
        try:
            for value, group in zip(values, groups):
                state = states[group]
                if state is not absent:
                    value = function(state, value)
                states[group] = value
                append(value)
        except BaseException as error:
            raise UserError(self.operators[0], values[len(out)], True) from error
        return [(ROLE_VALUE, out), (ROLE_STATE, states)], perf_counter_ns() - start

    def trip(self, source: Any, offset: int, length: int) -> tuple[list[tuple[int, Rows]], int]:
        """Runs the block at an offset of an input arena; the answer's columns and the nanoseconds in user code."""
        begun = self.begun.pop((id(source), offset), None) if self.begun else None
        if begun is not None:
            return self.run(*begun)
        return _run(self, source.view_block(offset, length))

    def write(self, target: Any, at: int, columns: list[tuple[int, Rows]]) -> int:
        """Writes what trip() gave into an output arena; the bytes it took."""
        try:
            written: int = target.write_block(at, columns)
        except BaseException as error:
            raise self.blame(columns) from error
        return written

    def blame(self, columns: list[tuple[int, Rows]]) -> UserError:
        """For a result that cannot be encoded: by whom and which row."""
        for role, rows in columns:
            encode = codec.encode_key if role == ROLE_KEY else codec.encode
            for row in rows:
                if row is ABSENT:
                    continue
                try:
                    encode(row)
                except BaseException:
                    by_key = role == ROLE_KEY
                    others = [o for o in self.operators if (o.kind == "key_by") is by_key] or self.operators
                    return UserError(others[-1], row, True)
        return UserError(self.operators[-1], None, False)


class Worker:
    """Owns the socket and the arenas; ends with the process."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = _socket.socket(fileno=fd)
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._stages: dict[int, Any] = {}
        self._early: deque[bytes] = deque()  # datagrams that were read while calls were waited for
        self._pid = os.getpid()

    def serve(self) -> int:
        """Answers until the socket closes or STOP; the exit code."""
        if not self._hello():
            return 0
        import cloudpickle  # noqa: F401  while the TaskManager prepares the first LOAD

        while True:
            try:
                datagram = self._early.popleft() if self._early else self._socket.recv(256)
            except ConnectionResetError:  # the TaskManager died with an answer unread
                return 0
            if not datagram:
                return 0
            if len(datagram) != DATAGRAM.size:
                return self._confused(f"a datagram of {len(datagram)} bytes")
            kind, arena, request, offset, length, arena_size = DATAGRAM.unpack(datagram)
            if kind == RUN:
                self._answer_run(arena, request, offset, length, arena_size)
            elif kind == LOAD:
                self._answer_load(request, offset, length, arena_size)
            elif kind == DROP:
                self._stages.pop(request, None)
            elif kind == STOP:
                return 0
            else:
                return self._confused(f"a datagram of type {kind}")

    def _end_if_forked(self, error: BaseException | None) -> None:
        """User code that forks and returns, or raises, twice: the answer is the first process' alone."""
        if os.getpid() == self._pid:
            return
        cause = error.__cause__ if isinstance(error, UserError) else error
        if isinstance(cause, SystemExit):
            os._exit(cause.code if isinstance(cause.code, int) else 0 if cause.code is None else 1)
        sys.stderr.write("headrace worker: a process that a function forked came back out of the function; it ends here\n")
        os._exit(1)

    def _confused(self, what: str) -> int:
        sys.stderr.write(f"headrace worker: {what} is not in protocol version {PROTOCOL_VERSION}\n")
        return 2

    def _hello(self) -> bool:
        space = _socket.CMSG_SPACE(2 * _MAX_ARENAS * 4)
        datagram, ancillary, _, _ = self._socket.recvmsg(DATAGRAM.size, space, _socket.MSG_CMSG_CLOEXEC)
        if not datagram:
            return False
        kind, _, count, version, _, _ = DATAGRAM.unpack(datagram)
        fds: list[int] = []
        for _, _, data in ancillary:
            fds += memoryview(data[: len(data) // 4 * 4]).cast("i").tolist()
        if kind != HELLO or version != PROTOCOL_VERSION or not 1 <= count <= _MAX_ARENAS or len(fds) != 2 * count:
            sys.stderr.write(f"headrace worker: bad HELLO (version {version}, {count} arenas, {len(fds)} descriptors)\n")
            raise SystemExit(2)
        self._inputs = [codec.Arena(fd) for fd in fds[0::2]]
        self._outputs = [codec.Arena(fd) for fd in fds[1::2]]
        self._send(READY, 0, os.getpid(), 0, 0)
        return True

    def _send(self, kind: int, arena: int, request: int, offset: int, length: int) -> None:
        size = self._outputs[arena].size()
        try:
            self._socket.send(DATAGRAM.pack(kind, arena, request, offset, length, size))
        except (BrokenPipeError, ConnectionResetError):
            raise SystemExit(0) from None

    def _answer_load(self, request: int, offset: int, length: int, arena_size: int) -> None:
        try:
            self._inputs[0].map(arena_size)
            self._stages[request] = _make_stage(codec.decode(self._inputs[0].read(offset, length)))
        except BaseException as error:
            # Runs of it may be on their way already: they say the same, in the same bytes, so that none hides why.
            self._stages[request] = _FailedStage(error)
            self._fail(0, request, error)
            return
        self._send(LOADED, 0, request, 0, 0)

    def _answer_run(self, arena: int, request: int, offset: int, length: int, arena_size: int) -> None:
        try:
            source = self._inputs[arena]
            source.map(arena_size)
            stage = self._stages[_U64.unpack(source.read(offset, 8))[0]]
            if getattr(stage, "calls", None) is not None:
                stage.calls.listen(self._socket.fileno(), partial(self._read_ahead, stage), partial(self._begin_early, stage))
            answer, user_ns = stage.trip(source, offset + 8, length - 8)
            self._end_if_forked(None)
            target = self._outputs[arena]
            written = stage.write(target, _ANSWER_AT + 8, answer)
            target.write(_ANSWER_AT, _U64.pack(user_ns))
            del answer  # which may hold what was lent
            source.take_back()
        except BaseException as error:
            self._fail(arena, request, error)
            return
        self._send(DONE, arena, request, _ANSWER_AT, written + 8)

    def _read_ahead(self, stage: Any) -> bool:
        """While the calls of a trip are waited for, the next trips of the same stage begin theirs. False: there will be no more."""
        try:
            datagram = self._socket.recv(256, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            datagram = b""
        self._early.append(datagram)
        self._begin_early(stage)
        return len(datagram) == DATAGRAM.size

    def _begin_early(self, stage: Any) -> None:
        """Begins the calls of those trips of a stage that were read, and did not begin yet."""
        for datagram in self._early:
            if len(datagram) != DATAGRAM.size:
                return
            kind, arena, _, offset, length, arena_size = DATAGRAM.unpack(datagram)
            if kind != RUN:
                continue
            source = self._inputs[arena]
            source.map(arena_size)
            running: Any = self._stages.get(_U64.unpack(source.read(offset, 8))[0])
            if running is stage and (id(source), offset + 8) not in stage.begun:
                stage.begin(source, offset + 8, length - 8)

    def _fail(self, arena: int, request: int, error: BaseException) -> None:
        self._end_if_forked(error)
        body = codec.encode(report(error))
        self._inputs[arena].take_back()
        self._outputs[arena].write(_ANSWER_AT, body)
        self._send(FAILED, arena, request, _ANSWER_AT, len(body))


class _FailedStage:
    """Stands for a stage that could not be loaded."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def trip(self, *_: Any) -> Any:
        raise self._error


def _make_stage(description: dict[str, Any]) -> Any:
    """The stage of a LOAD; the kinds beside verbs over untyped rows are loaded when a job has them."""
    folders: list[str] = description.get("sys_path", [])
    sys.path[:0] = [path for path in folders if path not in sys.path]
    if folders:
        from headrace.archives import add_search_path

        add_search_path(folders)
    operators: list[Operator] = []
    for operator in description["operators"]:
        try:
            operators.append(Operator(operator))
        except BaseException as error:
            named = Operator.__new__(Operator)
            named.uid, named.name, named.function = operator["uid"], operator["name"], None  # type: ignore[assignment]
            raise UserError(named, None, False) from error
    kind = description.get("kind", "")
    if not kind:
        return Stage(operators)
    if kind == "process":
        from headrace.worker_process import ProcessStage

        return ProcessStage(operators[0], description["setup"])
    if kind == "vector":
        from headrace.worker_vector import VectorFunctions

        return VectorFunctions(operators, description["setup"])
    if kind == "watermarks":
        from headrace.worker_watermarks import WatermarkStage

        return WatermarkStage(operators[0], description["setup"])
    from headrace import worker_columns

    return worker_columns.STAGES[kind](operators, description["setup"])


def _run(stage: Stage, block: list[tuple[int, int, Any]]) -> tuple[list[tuple[int, Rows]], int]:
    by_role = {role: rows for role, _, rows in block}
    if ROLE_STATE in by_role:
        return stage.reduce(by_role[ROLE_VALUE], by_role[ROLE_GROUP], list(by_role[ROLE_STATE]))
    return stage.run(by_role[ROLE_VALUE])


# ---- the process ----


class _Tolerant:
    """A text stream over a pipe that must not fail user code: closed pipes and odd characters are swallowed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            pass
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _prepare_process() -> None:
    import gc
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the TaskManager, which then says STOP
    gc.set_threshold(100_000, 20, 20)  # batches are thousands of tuples without cycles
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
            setattr(sys, name, _Tolerant(stream))
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # what a job imports must not depend on where the TaskManager was started


def main() -> None:
    """Entry point of ``python -m headrace.worker FD``; never returns."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("headrace.worker is started by a TaskManager: python -m headrace.worker FD\n")
        raise SystemExit(2)
    _prepare_process()
    code = 1
    try:
        code = Worker(int(sys.argv[1])).serve()
    except SystemExit as exit_request:
        code = exit_request.code if isinstance(exit_request.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)  # threads that user code started do not keep the process


if __name__ == "__main__":
    main()
