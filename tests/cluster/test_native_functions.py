"""Native process functions on TaskManagers: out of the folder that the operator names, and not at all without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness.cluster import Cluster
from harness.job_files import job_file
from harness.kafka import Broker
from harness.processes import PYTHON, ROOT, run_tool

USERS = 40


def clicks() -> list[dict[str, object]]:
    """Of each user a visit of two clicks, and a second one of one click after a gap."""
    at = [(user, page, t) for page, t in (("home", 1), ("home", 6), ("exit", 30)) for user in range(USERS)]
    return [{"user": user, "page": page, "t": t} for user, page, t in at]


def library(folder: Path) -> Path:
    """A folder with the library of the examples, built as its users do."""
    folder.mkdir()
    headers = run_tool(PYTHON, "-m", "headrace.native_functions").strip()
    source, target = ROOT / "examples/native/sessions.cc", folder / "libsessions.so"
    run_tool("c++", "-std=c++17", "-O1", "-shared", "-fPIC", f"-I{headers}", source, "-o", target)
    return folder


def test_task_managers_load_the_library_of_their_operator(
    make_cluster: Callable[..., Cluster], broker: Broker, folder: Path
) -> None:
    libraries = library(folder / "native")
    cluster = make_cluster(task_managers=2, slots=1, env={"HEADRACE_TASKMANAGER__NATIVE_LIBRARIES": str(libraries)})
    sink = broker.topic("visits", 2)
    job = cluster.submit(job_file(folder, "native_visits", rows=clicks(), sink=sink))
    cluster.await_status(job, "FINISHED")
    got = sorted((json.loads(value or b"{}") for _, value in broker.read(sink)), key=lambda row: (row["user"], -row["clicks"]))
    assert got == [
        visit
        for user in range(USERS)
        for visit in (
            {"user": user, "clicks": 2, "length_ms": 5, "most_seen": "home"},
            {"user": user, "clicks": 1, "length_ms": 0, "most_seen": "exit"},
        )
    ]
    loaded = [f"{libraries}/libsessions.so" in Path(f"/proc/{p.pid}/maps").read_text() for p in cluster.task_managers.values()]
    assert loaded == [True, True], "each of the TaskManagers ran a part of it"


def test_task_managers_without_a_folder_load_nothing(make_cluster: Callable[..., Cluster], broker: Broker, folder: Path) -> None:
    cluster = make_cluster(task_managers=1, slots=2)
    sink = broker.topic("visits", 2)
    job = cluster.submit(job_file(folder, "native_visits", rows=clicks(), sink=sink))
    cluster.await_status(job, "FAILED")
    said = json.dumps(cluster.exceptions(job))
    assert "this TaskManager loads no native libraries" in said and "taskmanager.native_libraries" in said, said
    assert broker.count(sink) == 0
    for process in cluster.task_managers.values():
        process.check_alive()
