"""One process of ours: its log, its environment, its end. Ended by pid, never by name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

from .waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("HEADRACE_BINARY", ROOT / "build/release/headrace"))
PYTHON = ROOT / ".venv/bin/python"

_given: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody listens on and that was not given before in this run."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


class Process:
    """A child with its own session, so that what it leaves behind can be found."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.folder = name, command, folder
        self.log_path = folder / f"{name}.log"
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "POSTGRES_", "KAFKA_"))} | env
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.alive(), f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def check_alive(self) -> None:
        if not self.alive():
            raise RuntimeError(f"{self.name} ended with {self._child.returncode if self._child else None}:\n{self.log_tail()}")

    def signal(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As a lost machine: the process and what it started are gone at once."""
        members = self.session()
        self.signal(signal.SIGKILL)
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self._child is not None:
            self._child.wait(10)

    def stop(self, within_s: float = 20.0) -> int:
        """SIGTERM, and the exit code. Killed when it does not end in time, which is an error."""
        if self._child is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {within_s:g} s of SIGTERM:\n{self.log_tail()}") from None

    def session(self) -> list[int]:
        """Living processes that this one started, without itself."""
        if self._child is None:
            return []
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            state, session = fields[0], int(fields[3])
            if session == self._child.pid and int(entry.name) != self._child.pid and state not in "ZX":
                found.append(int(entry.name))
        return found

    def open_sockets(self) -> int:
        """How many TCP sockets it holds, listeners included."""
        inodes = set()
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        count = 0
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]:
                count += line.split()[9] in inodes
        return count

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_for_log(self, text: str, within_s: float = 30.0) -> None:
        eventually(lambda: text in self.log(), f"'{text}' in the log of {self.name}", within_s)


def run_tool(*command: str | Path, within_s: float = 180.0) -> str:
    """Runs one of our scripts and gives back what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=within_s, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()
