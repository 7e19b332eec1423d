"""The TaskManager's side of docs/formats/worker.md in Python: drives real worker processes in tests and benchmarks."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from array import array
from typing import Any

from headrace import codec, worker
from headrace.functions import pack_function


def packed(function: Any) -> bytes:
    """The function with the module that defines it, unless that is the standard library."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    own = module is not None and "site-packages" not in (getattr(module, "__file__", None) or "site-packages")
    return pack_function(function, [module] if module is not None and own else [])


def array_block(batch: Any) -> bytes:
    """The columns of a pyarrow record batch as an array block, with the buffers as they are: nothing of it may be a slice."""
    head, body = [batch.num_rows, batch.num_columns], bytearray(-(-8 * (2 + 7 * batch.num_columns) // 64) * 64)
    for column in batch.columns:
        head.append(column.null_count)
        for buffer in (*column.buffers(), None, None)[:3]:
            head += (len(body), buffer.size) if buffer is not None else (0, 0)
            if buffer is not None:
                body += buffer.to_pybytes() + bytes(-buffer.size % 64)
    struct.pack_into(f"<{len(head)}Q", body, 0, *head)
    return bytes(body)


def read_array_block(block: bytes, types: list[Any]) -> list[Any]:
    """The pyarrow arrays of an array block."""
    import pyarrow as pa

    rows, columns, *heads = struct.unpack_from(f"<{2 + 7 * len(types)}Q", block)
    assert columns == len(types)
    arrays = []
    for at, declared in enumerate(types):
        nulls, *places = heads[7 * at : 7 * at + 7]
        buffers = [
            pa.py_buffer(block[places[2 * i] : places[2 * i] + places[2 * i + 1]]) if places[2 * i] else None
            for i in range(declared.num_buffers)
        ]
        arrays.append(pa.Array.from_buffers(declared, rows, buffers, nulls))
        arrays[-1].validate(full=True)
    return arrays


class WorkerFailed(Exception):
    """The worker's FAILED answer; error is its body."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class WorkerGone(Exception):
    """The socket closed; code is the worker's exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the worker ended with {code}")
        self.code = code


class FakeTaskManager:
    """Owns one worker process, its socket and its arenas. Close it, or use it as a context manager."""

    def __init__(self, *, arenas: int = 2, cwd: str = "/", python: str = sys.executable) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stdout_read, stdout_write = os.pipe()
        env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(codec.__file__)))}
        self.process = subprocess.Popen(
            [python, "-s", "-m", "headrace.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=stdout_write, stderr=stdout_write, cwd=cwd, env=env,
        )  # fmt: skip
        theirs.close()
        os.close(stdout_write)
        self._stdout = stdout_read
        self._socket = ours
        self._socket.settimeout(30)
        self._fds = [os.memfd_create(f"arena{i}", os.MFD_CLOEXEC) for i in range(2 * arenas)]
        self.inputs = [codec.Arena(fd) for fd in self._fds[0::2]]
        self.outputs = [codec.Arena(fd) for fd in self._fds[1::2]]
        self._next = 0
        self.user_ns = 0
        self._send(worker.HELLO, 0, arenas, worker.PROTOCOL_VERSION, 0, 0, fds=self._fds)
        kind, _, self.pid, *_ = self._receive()
        assert kind == worker.READY

    def _send(
        self, kind: int, arena: int, request: int, offset: int, length: int, size: int, fds: list[int] | None = None
    ) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
        self._socket.sendmsg([worker.DATAGRAM.pack(kind, arena, request, offset, length, size)], ancillary)

    def send_raw(self, data: bytes) -> None:
        self._socket.send(data)

    def _receive(self) -> tuple[int, ...]:
        try:
            datagram = self._socket.recv(64)
        except ConnectionResetError:
            datagram = b""
        if not datagram:
            raise WorkerGone(self.process.wait(10))
        return worker.DATAGRAM.unpack(datagram)

    def _answer(self, arena: int) -> tuple[int, int]:
        kind, got_arena, _, offset, length, size = self._receive()
        assert got_arena == arena
        if size:
            self.outputs[arena].map(size)
        if kind == worker.FAILED:
            raise WorkerFailed(codec.decode(self.outputs[arena].read(offset, length)))
        return offset, length

    def load(self, *operators: tuple[str, Any], sys_path: list[str] | None = None, kind: str = "", setup: Any = None) -> int:
        """operators: (kind, function or its pickled bytes). kind, setup: of stages that are not verbs over untyped rows. Gives the stage's id."""
        self._next += 1
        described = [
            {"kind": verb, "uid": f"uid{i}", "name": f"{verb}-{i}", "function": f if isinstance(f, bytes) else packed(f)}
            for i, (verb, f) in enumerate(operators)
        ]
        description: dict[str, Any] = {"stage": self._next, "operators": described, "sys_path": sys_path or []}
        if kind:
            description.update(kind=kind, setup=setup)
        body = codec.encode(description)
        self.inputs[0].write(0, body)
        self._send(worker.LOAD, 0, self._next, 0, len(body), self.inputs[0].size())
        self._answer(0)
        return self._next

    def start(self, stage: int, columns: list[tuple[int, list[Any]]], arena: int = 0) -> None:
        """Sends a RUN without waiting for its answer."""
        self.inputs[arena].write(56, struct.pack("<Q", stage))
        length = self.inputs[arena].write_block(64, columns)
        self._send(worker.RUN, arena, 1000 + arena, 56, length + 8, self.inputs[arena].size())

    def finish(self, arena: int = 0) -> dict[int, list[Any]]:
        """The answer of a started RUN: rows by role. WorkerFailed if user code raised."""
        offset, length = self._answer(arena)
        self.user_ns += struct.unpack("<Q", self.outputs[arena].read(offset, 8))[0]
        return {role: rows for role, _, rows in self.outputs[arena].read_block(offset + 8, length - 8)}

    def run(self, stage: int, values: list[Any], arena: int = 0) -> dict[int, list[Any]]:
        self.start(stage, [(0, values)], arena)
        return self.finish(arena)

    def reduce(self, stage: int, values: list[Any], groups: list[int], states: list[Any]) -> dict[int, list[Any]]:
        self.start(stage, [(0, values), (2, groups), (3, states)])
        return self.finish()

    def run_table(self, stage: int, columns: list[tuple[int, list[Any]]], arena: int = 0) -> list[list[Any]]:
        """The columns of the answer to a table block."""
        self.start(stage, columns, arena)
        offset, length = self._answer(arena)
        return [rows for _, _, rows in self.outputs[arena].read_block(offset + 8, length - 8)]

    def run_bytes(self, stage: int, body: bytes, arena: int = 0) -> bytes:
        """The body of the answer to a RUN of these bytes."""
        self.inputs[arena].write(56, struct.pack("<Q", stage) + body)
        self._send(worker.RUN, arena, 1000 + arena, 56, len(body) + 8, self.inputs[arena].size())
        offset, length = self._answer(arena)
        return self.outputs[arena].read(offset + 8, length - 8)

    def drop(self, stage: int) -> None:
        self._send(worker.DROP, 0, stage, 0, 0, 0)

    def stop(self) -> int:
        """Says STOP and gives the exit code."""
        self._send(worker.STOP, 0, 0, 0, 0, 0)
        return self.process.wait(10)

    def output(self) -> str:
        """Everything the worker printed; call it after the worker has ended."""
        chunks = []
        while chunk := os.read(self._stdout, 65536):
            chunks.append(chunk)
        return b"".join(chunks).decode()

    def hang_up(self) -> int:
        """Closes the socket as a dying TaskManager would and gives the worker's exit code."""
        self._socket.close()
        return self.process.wait(10)

    def close(self) -> None:
        self._socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.inputs.clear()
        self.outputs.clear()
        for fd in self._fds:
            os.close(fd)
        os.close(self._stdout)

    def __enter__(self) -> FakeTaskManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
