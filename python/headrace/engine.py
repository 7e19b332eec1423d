"""The headrace binary on this machine: where it is, and a process of it that runs one job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, Final

from headrace.errors import EngineNotFound, JobFailed

_MAX_FRAME: Final = 1 << 30
_PACKAGE: Final = os.path.dirname(os.path.abspath(__file__))


def _is_this_command(path: str) -> bool:
    """Whether the file is the console script of this package rather than the binary."""
    try:
        with open(path, "rb") as f:
            return f.read(2) == b"#!"
    except OSError:
        return True


def find_engine() -> str:
    """The binary's path: HEADRACE_BINARY, the package's own, the checkout's release build, PATH. EngineNotFound if none."""
    given = os.environ.get("HEADRACE_BINARY")
    if given:
        if os.access(given, os.X_OK) and not os.path.isdir(given):
            return given
        raise EngineNotFound(f"HEADRACE_BINARY is {given}, which is not a program")
    tried = [os.path.join(_PACKAGE, "bin", "headrace"), os.path.join(_PACKAGE, "..", "..", "build", "release", "headrace")]
    for path in tried:
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return os.path.abspath(path)
    for folder in os.get_exec_path():
        found = shutil.which("headrace", path=folder) if folder else None
        if found is not None and not _is_this_command(found):
            return found
    raise EngineNotFound(
        "the headrace binary is not here: looked in HEADRACE_BINARY, "
        + ", ".join(os.path.abspath(path) for path in tried)
        + " and PATH. Hint: ./dev build makes it in a checkout"
    )


class _Talk:
    """Passes the engine's standard error on, line by line, but keeps what follows "error:" for the exception."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.error: list[str] = []
        self.last: list[str] = []
        self._said = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for raw in self._stream:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            with self._said:
                self._said.notify_all()
                if self.error or line.startswith(("error:", "Error:")):
                    self.error.append(line)
                    continue
                self.last = [*self.last[-14:], line]
            print(line, file=sys.stderr, flush=True)
        with self._said:
            self._ended = True
            self._said.notify_all()

    def says(self, text: str, timeout: float) -> bool:
        """Waits for a line with the text, among the last ones; False when the engine ends or the time is over before."""
        with self._said:
            self._said.wait_for(lambda: self._ended or any(text in line for line in self.last), timeout)
            return any(text in line for line in self.last)

    def join(self) -> None:
        self._thread.join(5)

    def show_kept(self) -> None:
        for line in self.error:
            print(line, file=sys.stderr)

    def reason(self) -> str:
        """The engine's message of failure."""
        lines = self.error or self.last
        return "\n".join(lines).removeprefix("error:").removeprefix("Error:").strip()


class EmbeddedRun:
    """One job in a process of the engine: the job file on its stdin, frames of rows on a pipe. Owned by the caller; close() ends it.

    settings: environment variables besides those of this process.
    """

    def __init__(self, job_file: bytes, settings: dict[str, str] | None = None) -> None:
        binary = find_engine()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # print sinks write to the same descriptor
        read_fd, write_fd = os.pipe()
        try:
            self._process = subprocess.Popen(
                [binary, "run", "-", "--results-fd", str(write_fd)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[write_fd],
                env={"HEADRACE_PYTHON__EXECUTABLE": sys.executable, **os.environ, **(settings or {})},
            )
        except OSError as error:
            os.close(read_fd)
            raise EngineNotFound(f"{binary} could not be started: {error}") from error
        finally:
            os.close(write_fd)
        assert self._process.stdin is not None and self._process.stderr is not None
        self._results = os.fdopen(read_fd, "rb")
        self._talk = _Talk(self._process.stderr)
        try:
            self._process.stdin.write(job_file)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it ended early; its exit code and words say why

    def _read(self, n: int) -> bytes:
        data = self._results.read(n)
        if data and len(data) < n:
            raise JobFailed("the engine ended in the middle of a result")
        return data

    def frames(self) -> Iterator[tuple[str, list[Any]]]:
        """(uid of the sink, rows) as they come, until the job ends. JobFailed if it fails."""
        from headrace import codec

        while head := self._read(4):
            length = int.from_bytes(head, "little")
            if length > _MAX_FRAME:
                raise JobFailed(f"the engine sent a result frame of {length} bytes")
            uid, rows = codec.decode(self._read(length))
            yield uid, rows
        self._wait()

    def _wait(self) -> None:
        code = self._process.wait()
        self._talk.join()
        if code == 0:
            self._talk.show_kept()
            return
        reason = self._talk.reason()
        if code < 0:
            reason = f"the engine was ended by signal {-code}" + (f":\n{reason}" if reason else "")
        raise JobFailed(reason or f"the engine ended with exit code {code}")

    def says(self, text: str, timeout: float) -> bool:
        """Waits until the engine says something on its standard error; False when it ends or the time is over before."""
        return self._talk.says(text, timeout)

    def said(self) -> str:
        """Its last lines."""
        return "\n".join([*self._talk.last, *self._talk.error])

    def close(self) -> None:
        """Ends the process if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._results.close()
        self._talk.join()
