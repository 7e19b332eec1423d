"""One JobManager and its TaskManagers, as processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .postgres import Database
from .processes import BINARY, PYTHON, Process, free_port
from .rest import Answer, Rest
from .waiting import eventually

TERMINAL = ("FINISHED", "FAILED", "CANCELED")


class Cluster:
    """Owns the processes. Every port is free before, every file lies under `folder`."""

    def __init__(self, folder: Path, database: Database | None, kafka: str, env: dict[str, str] | None = None) -> None:
        self.folder, self.kafka = folder, kafka
        self.rest_port, self.rpc_port = free_port(), free_port()
        self.rest = Rest(self.rest_port)
        self._common = {
            "HEADRACE_BIND": "127.0.0.1",
            "HEADRACE_ADVERTISE_HOST": "127.0.0.1",
            "HEADRACE_PYTHON__EXECUTABLE": str(PYTHON),
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "JOBMANAGER_RPC_PORT": str(self.rpc_port),
            "METRICS_PORT": "0",
        } | (env or {})
        manager_env = {"JOBMANAGER_REST_PORT": str(self.rest_port), "HEADRACE_DATA_DIR": str(folder / "data")}
        self.manager = self._process("jobmanager", manager_env | (database.environment() if database else {}))
        self.task_managers: dict[str, Process] = {}

    def _process(self, name: str, env: dict[str, str], verb: str = "jobmanager") -> Process:
        assert BINARY.exists(), f"{BINARY} is missing; build it with ./dev build"
        return Process(name, [str(BINARY), verb], self._common | env, self.folder)

    def start(self, task_managers: int = 3, slots: int = 4) -> None:
        self.start_manager()
        for n in range(1, task_managers + 1):
            self.add_task_manager(f"tm{n}", slots)
        self.await_slots(task_managers * slots)

    def start_manager(self) -> None:
        self.manager.start()
        eventually(self._ready, "the JobManager is ready", 30)

    def _ready(self) -> bool:
        self.manager.check_alive()
        return self.rest.send("GET", "/health/ready", within_s=5).status == 200

    def add_task_manager(self, name: str, slots: int = 4) -> Process:
        env = {
            "TASK_MANAGER_ID": name,
            "JOBMANAGER_HOST": "127.0.0.1",
            "TASK_SLOTS": str(slots),
            "TASKMANAGER_RPC_PORT": str(free_port()),
            "TASKMANAGER_EXCHANGE_PORT": str(free_port()),
            "STATE_DIR": str(self.folder / name),
        }
        self.task_managers[name] = process = self._process(name, env, "taskmanager")
        process.start()
        return process

    def metrics(self) -> dict[str, Any]:
        return self.rest.get("/cluster/metrics")

    def await_slots(self, total: int, within_s: float = 30.0) -> None:
        def enough() -> bool:
            for process in [self.manager, *self.task_managers.values()]:
                process.check_alive()
            return self.metrics()["total_slots"] == total

        eventually(enough, f"{total} slots are registered", within_s)

    # -- jobs --------------------------------------------------------------------------------------------------------------

    def submit(self, job_file: Path | bytes, **fields: str) -> str:
        """The id of an accepted job."""
        answer = self.rest.submit(job_file, **fields)
        assert answer.status == 200, f"submit: {answer.status} {answer.body[:1000]!r}"
        return str(answer.json()["job_id"])

    def status(self, job: str) -> dict[str, Any]:
        return self.rest.get(f"/jobs/{job}/status")

    def await_status(self, job: str, wanted: str, within_s: float = 60.0) -> dict[str, Any]:
        """Waits for one state; another terminal state fails at once, with the job's failures."""

        def reached() -> dict[str, Any] | None:
            now = self.status(job)
            if now["status"] == wanted:
                return now
            if now["status"] in TERMINAL:
                raise RuntimeError(f"job {job} is {now['status']}, not {wanted}: {self.exceptions(job)}")
            return None

        return eventually(reached, f"job {job} is {wanted}", within_s)

    def exceptions(self, job: str) -> list[dict[str, Any]]:
        return list(self.rest.get(f"/jobs/{job}/exceptions")["exceptions"])

    def cancel(self, job: str) -> Answer:
        return self.rest.send("POST", f"/jobs/{job}/cancel")

    def workers(self) -> list[int]:
        """Living processes that the TaskManagers started."""
        return [pid for process in self.task_managers.values() if process.alive() for pid in process.session()]

    # -- the end -----------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends everything in the order of a shutdown; whatever does not end by itself is killed and reported."""
        problems = []
        for process in [*self.task_managers.values(), self.manager]:
            if not process.alive():
                continue
            try:
                process.stop()
            except AssertionError as error:
                problems.append(str(error))
            for pid in process.session():
                problems.append(f"{process.name} left process {pid} behind")
                process.kill()
        assert not problems, "\n".join(problems)

    def kill(self) -> None:
        for process in [*self.task_managers.values(), self.manager]:
            process.kill()
