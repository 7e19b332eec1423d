"""The commands as a person types them, against `headrace local`: what they print, what they end with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.job_files import job_file
from harness.processes import BINARY, PYTHON, Process, free_port
from harness.rest import Rest
from harness.waiting import eventually


class CommandLine:
    """Runs the binary with nothing of this process's environment that could be a setting."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._env = {
            k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "POSTGRES_", "KAFKA_", "JOBMANAGER_"))
        } | {
            "HEADRACE_DATA_DIR": str(folder / "data"),
            "HEADRACE_PYTHON__EXECUTABLE": str(PYTHON),
        }

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BINARY), *arguments], env=self._env | env, capture_output=True, text=True, timeout=60, check=False
        )

    def client(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self(*arguments, "-m", f"localhost:{self.port}")

    def refused(self, code: int, *arguments: str, **env: str) -> str:
        """What a refused command said; it has to say something on standard error, with a hint, and nothing on standard output."""
        done = self(*arguments, **env)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
        assert (
            done.stdout == "" and "error: " in (line[:7] for line in done.stderr.splitlines()) and "\n  hint: " in done.stderr
        ), f"{arguments}: {done.stdout}{done.stderr}"
        return done.stderr


@pytest.fixture
def headrace(folder: Path) -> CommandLine:
    return CommandLine(folder)


@pytest.fixture
def local(headrace: CommandLine, folder: Path) -> Iterator[Process]:
    process = Process("local", [str(BINARY), "local", "--port", str(headrace.port)], headrace._env, folder)
    process.start()
    try:
        eventually(lambda: Rest(headrace.port).send("GET", "/health/ready").status == 200, "headrace local answers", 30)
        yield process
        assert process.stop() == 0
        assert process.session() == []
    finally:
        process.kill()


def test_a_job_from_submit_to_cancel(local: Process, headrace: CommandLine, folder: Path) -> None:
    path = str(job_file(folder, "generated", parallelism=2))
    assert headrace.client("list").stdout == "JOB  NAME  STATUS  STARTED  REASON\n"

    plan = headrace("explain", path)
    assert plan.returncode == 0 and "needs 2 slots" in plan.stdout
    dry = headrace.client("submit", path, "--dry-run")
    assert dry.returncode == 0 and dry.stdout == "" and "valid" in dry.stderr

    submitted = headrace.client("submit", path, "--name", "by hand")
    assert submitted.returncode == 0, submitted.stderr
    job = submitted.stdout.strip()
    assert f"{job} is RUNNING. Next: headrace status {job}" in submitted.stderr

    listed = headrace.client("list").stdout.splitlines()
    assert len(listed) == 2 and listed[1].split()[0] == job and "by hand" in listed[1] and "RUNNING" in listed[1]
    assert json.loads(headrace.client("list", "-o", "json").stdout)["jobs"][0]["job_id"] == job
    status = headrace.client("status", job).stdout
    assert "status      RUNNING" in status and "RECORDS IN" in status
    assert "local" in headrace.client("status", job, "-o", "wide").stdout, "wide names the TaskManager of each subtask"

    cancelled = headrace.client("cancel", job)
    assert cancelled.returncode == 0 and cancelled.stdout == "CANCELED\n"
    after = json.loads(headrace.client("status", job, "-o", "json").stdout)
    assert after["status"] == "CANCELED"
    assert all(vertex["metrics"]["running_tasks"] == 0 for vertex in after["vertices"]), "no task of an ended job runs"


def test_watch_ends_with_the_job_and_tells_its_fate(local: Process, headrace: CommandLine, folder: Path) -> None:
    done = headrace.client("submit", str(job_file(folder, "generated", parallelism=1, count=10))).stdout.strip()
    watched = headrace.client("status", done, "--watch")
    assert watched.returncode == 0 and "FINISHED" in watched.stdout
    failed = headrace.client("submit", str(job_file(folder, "misbehaving", how="raise"))).stdout.strip()
    watched = headrace.client("status", failed, "--watch")
    assert watched.returncode == 1
    assert "FAILED" in watched.stdout and "cause: " in watched.stdout and "ValueError" in watched.stdout


def test_refusals_say_what_where_why_and_a_hint(headrace: CommandLine, folder: Path) -> None:
    assert 'there is no command "lst"; did you mean list?' in headrace.refused(2, "lst")
    assert "headrace submit: FILE is required" in headrace.refused(2, "submit")
    assert "headrace submit --help" in headrace.refused(2, "submit")
    assert "headrace list" in headrace.refused(2, "list", "--nonsense")
    assert "yaml" in headrace.refused(2, "list", "-o", "yaml")
    assert "did you mean rest.port?" in headrace.refused(2, "--set", "rest.prt=1", "list")
    assert "did you mean HEADRACE_REST__PORT?" in headrace.refused(2, "list", HEADRACE_REST__PRT="1")
    assert "--duration" in headrace.refused(2, "demo", "--duration", "ten")
    assert "JOBMANAGER_HOST" in headrace.refused(2, "taskmanager")
    for address in ("localhost:port", "localhost:0", "localhost:65536", ":8081", "[::1]8081"):
        assert f'-m "{address}"' in headrace.refused(2, "list", "-m", address)
    assert 'jobmanager.host "jm:x"' in headrace.refused(2, "taskmanager", "--set", f"state.dir={folder}", JOBMANAGER_HOST="jm:x")
    nobody = free_port()
    assert f"localhost:{nobody}" in headrace.refused(1, "list", "-m", f"http://localhost:{nobody}/")
    missing = str(folder / "missing.pkl")
    assert f"{missing}: No such file" in headrace.refused(1, "submit", missing)
    assert "Is a directory" in headrace.refused(1, "explain", str(folder))
    text = folder / "text.pkl"
    text.write_text("no pickle")
    assert "not a Headrace job file" in headrace.refused(1, "explain", str(text))


def test_refusals_of_the_job_manager_reach_the_terminal(local: Process, headrace: CommandLine, folder: Path) -> None:
    here = ("-m", f"localhost:{headrace.port}")
    assert "0" * 32 in headrace.refused(3, "status", "0" * 32, *here)
    assert "xyz" in headrace.refused(3, "cancel", "xyz", *here)
    assert "need 17 slots, 16 free" in headrace.refused(1, "submit", str(job_file(folder, "generated", parallelism=17)), *here)


def test_a_token_is_asked_for_by_the_name_of_its_setting(headrace: CommandLine, folder: Path) -> None:
    process = Process(
        "local",
        [str(BINARY), "local", "--port", str(headrace.port)],
        headrace._env | {"HEADRACE_REST__AUTH": "token", "HEADRACE_REST__TOKEN": "t0ken"},
        folder,
    )
    process.start()
    try:
        eventually(lambda: Rest(headrace.port).send("GET", "/health").status == 200, "headrace local answers", 30)
        assert "HEADRACE_REST__TOKEN" in headrace.refused(1, "list", "-m", f"localhost:{headrace.port}")
        assert headrace("list", "-m", f"localhost:{headrace.port}", HEADRACE_REST__TOKEN="t0ken").returncode == 0
    finally:
        process.kill()


def test_settings_show_value_origin_and_no_secret(headrace: CommandLine, folder: Path) -> None:
    file = folder / "headrace.yaml"
    file.write_text("heartbeat:\n  timeout: 7s\n")
    shown = headrace(
        "--config",
        str(file),
        "--set",
        "log.level=debug",
        "config",
        "show",
        "--origin",
        TASK_SLOTS="8",
        POSTGRES_PASSWORD="s3cret",
        STATE_BACKEND="rocksdb",
    )
    assert shown.returncode == 0
    lines = {line.split(" ", 1)[0]: line for line in shown.stdout.splitlines()}
    assert lines["taskmanager.slots"].split("#")[0].split()[-1] == "8" and lines["taskmanager.slots"].endswith("# env TASK_SLOTS")
    assert lines["heartbeat.timeout"].endswith(f"# file {file}:2")
    assert lines["log.level"].endswith("# flag --set")
    assert "s3cret" not in shown.stdout and "********" in lines["postgres.password"]
    assert "state.backend (env STATE_BACKEND) has no effect yet" in shown.stderr


def test_version_and_help_of_every_command(headrace: CommandLine) -> None:
    assert headrace("version").stdout.startswith("headrace ")
    assert json.loads(headrace("version", "-o", "json").stdout)["version"]
    for command in (
        "demo",
        "local",
        "run",
        "jobmanager",
        "taskmanager",
        "submit",
        "list",
        "status",
        "cancel",
        "explain",
        "config",
        "doctor",
        "version",
    ):
        shown = headrace(command, "--help")
        assert shown.returncode == 0 and f"headrace {command}" in shown.stdout, command


def test_doctor_fails_on_a_server_that_is_away(headrace: CommandLine) -> None:
    away = f"127.0.0.1:{free_port()}"
    found = headrace("doctor", KAFKA_BOOTSTRAP_SERVERS=away)
    assert found.returncode == 1
    assert f"FAIL  Kafka broker {away} cannot be reached: Connection refused" in found.stdout
    assert "ok    it has headrace" in found.stdout


def test_demo_shows_results_and_ends_in_time(headrace: CommandLine) -> None:
    start = time.monotonic()
    shown = headrace("demo", "--duration", "4s", "--port", "0")
    assert shown.returncode == 0, shown.stderr
    assert "REST API: http://localhost:" in shown.stdout and "results/s" in shown.stdout
    assert time.monotonic() - start < 30


def test_interrupt_cancels_an_embedded_run(headrace: CommandLine, folder: Path) -> None:
    process = Process("run", [str(BINARY), "run", str(job_file(folder, "generated", parallelism=1))], headrace._env, folder)
    process.start()
    try:
        eventually(lambda: process.session(), "its Python workers run", 30)
        process.signal(signal.SIGINT)
        eventually(lambda: not process.alive(), "it ends", 20)
        assert process.stop() == 1
        assert "cancelling" in process.log()
        assert process.session() == []
    finally:
        process.kill()


def test_an_embedded_run_ends_with_its_first_failure(headrace: CommandLine, folder: Path) -> None:
    said = headrace.refused(1, "run", str(job_file(folder, "misbehaving", how="raise", restarts="default")))
    assert "the bad map" in said and "row 500 is the bad one" in said and "# the bad line" in said and "misbehaving.py:" in said


def test_an_embedded_run_that_restarts_says_why(headrace: CommandLine, folder: Path) -> None:
    done = headrace("run", str(job_file(folder, "misbehaving", how="raise", restarts="twice")))
    assert done.returncode == 1
    assert done.stderr.count("\nfailed: ") + done.stderr.startswith("failed: ") == 2, done.stderr  # before each restart
