"""One JobManager, one TaskManager and a client, as processes that end with the `with` block."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from suites.programs import process_tree_cpu

from peers.flink.install import HERE, Flink

#: What every run is held to; printed with the results.
SETTINGS = {
    "jobmanager.memory.process.size": "1g",
    "taskmanager.memory.process.size": "4g",
    "taskmanager.memory.managed.fraction": "0.1",
    "taskmanager.memory.jvm-metaspace.size": "512m",
    "taskmanager.numberOfTaskSlots": "1",
    "parallelism.default": "1",
    "pipeline.object-reuse": "true",
    "state.backend.type": "hashmap",
}


@dataclass(frozen=True)
class Run:
    """One job: seconds of its duration as the JobManager tells it, CPU seconds of the TaskManager with its children, what its result sink wrote."""

    seconds: float
    cpu_seconds: float
    result: str


class FlinkCluster:
    """Files lie under `folder`. Ports are free ones of loopback. Errors end the benchmark with the reason and the log's place."""

    def __init__(self, flink: Flink, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._flink, self._folder = flink, folder
        self._rest_port, rpc_port = _free_port(), _free_port()
        self.settings = dict(SETTINGS) | dict(settings or {})
        for name in ("conf", "log", "tmp", "plugins"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for file in (flink.home / "conf").glob("log4j*"):
            shutil.copy(file, folder / "conf")
        own = {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": str(rpc_port),
            "jobmanager.bind-host": "127.0.0.1",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": str(self._rest_port),
            "io.tmp.dirs": str(folder / "tmp"),
            # A busy machine is slow, not broken.
            "pekko.startup-timeout": "600 s",
            "pekko.ask.timeout": "300 s",
            "heartbeat.timeout": "600000",
            "env.java.opts.all": " ".join(self._java_options()),
        }
        lines = [f'{name}: "{value}"' for name, value in (own | self.settings).items()]
        (folder / "conf" / "config.yaml").write_text("\n".join(lines) + "\n")
        self._environment = dict(
            os.environ,
            FLINK_HOME=str(flink.home),
            FLINK_LIB_DIR=str(flink.jars),
            FLINK_OPT_DIR=str(flink.home / "opt"),
            FLINK_PLUGINS_DIR=str(folder / "plugins"),
            FLINK_CONF_DIR=str(folder / "conf"),
            FLINK_LOG_DIR=str(folder / "log"),
        )
        self._children: list[subprocess.Popen[str]] = []

    def _java_options(self) -> list[str]:
        """What Flink needs opened in the JDK, from its own configuration."""
        words = (self._flink.home / "conf" / "config.yaml").read_text().split()
        return [word for word in words if word.startswith(("--add-opens=", "--add-exports="))]

    def __enter__(self) -> FlinkCluster:
        start = time.monotonic()
        try:
            self._spawn("jobmanager")
            self._await(lambda: self.rest("/overview") is not None, "the JobManager answers")
            self._task_manager = self._spawn("taskmanager")
            self._await(lambda: (self.rest("/overview") or {}).get("slots-total") == 1, "the TaskManager's slot is there")
            self._client = self._spawn_client()
        except BaseException:
            self._stop()
            raise
        print(f"  Flink {self._flink.version} is up after {time.monotonic() - start:.1f} s: {self._told()}", flush=True)
        return self

    def _told(self) -> str:
        return ", ".join(f"{name.removeprefix('taskmanager.')}={value}" for name, value in self.settings.items())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(20)

    def _spawn(self, role: str) -> subprocess.Popen[str]:
        with (self._folder / "log" / f"{role}.out").open("ab") as log:
            command = [str(self._flink.home / "bin" / f"{role}.sh"), "start-foreground"]
            child = subprocess.Popen(
                command,
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def _spawn_client(self) -> subprocess.Popen[str]:
        classes = f"{self._flink.jars}/*:{self._folder / 'conf'}"
        command = [
            "java",
            "-Xmx512m",
            *self._java_options(),
            "-cp",
            classes,
            "headrace.bench.Client",
            "127.0.0.1",
            str(self._rest_port),
        ]
        with (self._folder / "log" / "client.out").open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1, start_new_session=True
            )
        self._children.append(child)
        assert child.stdout is not None
        while child.stdout.readline().strip() != "ready":
            if child.poll() is not None:
                raise SystemExit(f"bench: Flink's client ended. Hint: read {self._folder}/log/client.out")
        return child

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 600
        while not condition():
            if time.monotonic() > deadline or any(child.poll() is not None for child in self._children):
                raise SystemExit(f"bench: Flink: not so that {what}. Hint: read {self._folder}/log")
            time.sleep(0.1)

    def rest(self, path: str) -> dict[str, Any] | None:
        """None while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._rest_port, timeout=10)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    @property
    def python(self) -> Path:
        """Of the venv that holds PyFlink."""
        return self._flink.python

    def cpu_seconds(self) -> float:
        return process_tree_cpu(self._task_manager.pid)

    def run(self, script: str, **values: object) -> Run:
        """Runs sql/SCRIPT.sql; ${name} stands for a value, ${path} for the file of the result sink."""
        path = self._folder / "result"
        path.unlink(missing_ok=True)
        text = (HERE / "sql" / f"{script}.sql").read_text()
        for name, value in {"path": path, **values}.items():
            text = text.replace("${" + name + "}", str(value))
        file = self._folder / "script.sql"
        file.write_text(text)
        return self._ask(str(file), script, path)

    def latency(self, rate: float, rows: int, keys: int, paced: bool) -> dict[str, float]:
        """One run of Latency.java."""
        path = self._folder / "latencies"
        path.unlink(missing_ok=True)
        words = self._ask(f"latency {rate} {rows} {keys} {str(paced).lower()} {path}", "latency", path).result.split()
        return dict(zip(("seconds", "results", "p50", "p99", "p999", "p9999"), map(float, words), strict=True))

    def _ask(self, command: str, what: str, path: Path) -> Run:
        assert self._client.stdin is not None and self._client.stdout is not None
        before = self.cpu_seconds()
        self._client.stdin.write(f"{command}\n")
        state, _, rest = self._client.stdout.readline().strip().partition(" ")
        if state != "ok":
            raise SystemExit(f"bench: Flink failed {what}: {rest[:500] or 'its client ended'}. Hint: read {self._folder}/log")
        cpu_seconds = self.cpu_seconds() - before
        job = self.rest(f"/jobs/{rest}") or {}
        return Run(job.get("duration", 0) / 1000, cpu_seconds, path.read_text().strip() if path.exists() else "")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
