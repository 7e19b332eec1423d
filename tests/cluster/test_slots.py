"""Slots: a job that does not fit is told so, one that ends gives them back."""

from __future__ import annotations

import time
from pathlib import Path

from harness.cluster import Cluster
from harness.job_files import job_file
from harness.waiting import eventually


def test_thirteen_of_twelve_slots_are_refused_by_name(cluster: Cluster, folder: Path) -> None:
    start = time.monotonic()
    answer = cluster.rest.submit(job_file(folder, "generated", parallelism=13))
    assert answer.status == 409
    assert "need 13 slots, 12 free" in answer.problem()["detail"]
    assert time.monotonic() - start < 5, "a job larger than the cluster is refused at once"
    assert cluster.metrics()["running_jobs"] == 0
    assert cluster.metrics()["available_slots"] == 12


def test_cancel_leaves_no_worker_slot_or_socket(cluster: Cluster, folder: Path) -> None:
    def sockets() -> dict[str, int]:
        return {name: process.open_sockets() for name, process in cluster.task_managers.items()}

    path = job_file(folder, "generated", parallelism=12)
    first = cluster.submit(path)  # connections that stay by design exist after the first job
    cluster.await_status(first, "RUNNING")
    assert cluster.cancel(first).status == 200
    eventually(lambda: not cluster.workers(), "no worker process is left of the first job", 10)

    before = sockets()
    job = cluster.submit(path)
    cluster.await_status(job, "RUNNING")
    assert cluster.metrics()["available_slots"] == 0
    assert cluster.workers(), "Python functions run in worker processes"
    start = time.monotonic()
    answer = cluster.cancel(job)
    assert answer.status == 200 and answer.json()["status"] == "CANCELED"
    assert time.monotonic() - start <= 5
    assert cluster.metrics()["available_slots"] == 12
    eventually(lambda: not cluster.workers(), "no worker process is left", 5)
    eventually(lambda: all(now <= before[name] for name, now in sockets().items()), f"no more sockets than before: {before}", 10)
    assert cluster.status(job)["status"] == "CANCELED"


def test_cancelled_job_is_not_cancelled_twice(cluster: Cluster, folder: Path) -> None:
    job = cluster.submit(job_file(folder, "generated"))
    assert cluster.cancel(job).status == 200
    assert cluster.cancel(job).status in (200, 409)
    assert cluster.rest.send("POST", f"/jobs/{'0' * 32}/cancel").status == 404
    assert cluster.status(job)["status"] == "CANCELED"
