"""The JobManager's own troubles: its store goes away, it dies, it starts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from harness.job_files import job_file
from harness.postgres import PostgresServer
from harness.processes import Process
from harness.waiting import eventually


@pytest.fixture
def own_postgres(run_folder: Path, folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder / "postgres", own=True)
    server.start()
    yield server
    server.stop()


def test_postgres_away_and_back(make_cluster: Callable[..., Cluster], own_postgres: PostgresServer, folder: Path) -> None:
    cluster = make_cluster(task_managers=1, database=own_postgres.database())
    job = cluster.submit(job_file(folder, "generated", parallelism=1))
    cluster.await_status(job, "RUNNING")
    own_postgres.kill()
    eventually(lambda: cluster.rest.send("GET", "/health/ready").status == 503, "the JobManager says that it is not ready", 30)
    assert cluster.status(job)["status"] == "RUNNING", "running tasks do not need PostgreSQL"
    refused = cluster.rest.submit(job_file(folder, "generated", parallelism=1, count=10))
    assert refused.status == 503 and refused.problem()["code"] == "HR1501"
    own_postgres.start()
    eventually(lambda: cluster.rest.send("GET", "/health/ready").status == 200, "ready again", 30)
    second = cluster.submit(job_file(folder, "generated", parallelism=1, count=10))
    cluster.await_status(second, "FINISHED")
    assert cluster.status(job)["status"] == "RUNNING"


def test_job_manager_waits_for_a_postgres_that_comes_later(
    make_cluster: Callable[..., Cluster], own_postgres: PostgresServer, folder: Path, broker: object
) -> None:
    database = own_postgres.database()
    own_postgres.stop()
    cluster = Cluster(folder, database, broker.address)  # type: ignore[attr-defined]
    try:
        cluster.manager.start()
        eventually(lambda: cluster.rest.send("GET", "/health/ready").status == 503, "it serves, and is not ready", 30)
        own_postgres.start()
        eventually(lambda: cluster.rest.send("GET", "/health/ready").status == 200, "ready by itself", 60)
    finally:
        cluster.kill()


@pytest.mark.parametrize("store", ["postgres", "sqlite"])
def test_killed_job_manager_comes_back_and_runs_its_jobs(make_cluster: Callable[..., Cluster], folder: Path, store: str) -> None:
    cluster = make_cluster(task_managers=2) if store == "postgres" else make_cluster(task_managers=2, database=None)
    done = cluster.submit(job_file(folder, "generated", parallelism=1, count=10))
    cluster.await_status(done, "FINISHED")
    running = cluster.submit(job_file(folder, "generated", parallelism=4))
    cluster.await_status(running, "RUNNING")
    cluster.manager.kill()
    cluster.start_manager()
    cluster.await_slots(8)
    cluster.await_status(running, "RUNNING", 60)
    assert cluster.status(done)["status"] == "FINISHED", "a job with a result never runs again"
    assert cluster.cancel(running).status == 200
    cluster.manager.kill()
    cluster.start_manager()
    assert cluster.status(running)["status"] == "CANCELED"
    assert cluster.metrics()["running_jobs"] == 0


def test_second_job_manager_on_the_same_sqlite_file_is_refused(make_cluster: Callable[..., Cluster], folder: Path) -> None:
    cluster = make_cluster(task_managers=0, database=None)
    second = Cluster(folder, None, cluster.kafka)
    second.manager = Process("second", second.manager.command, second.manager._env, folder)
    second.manager.start()
    try:
        eventually(lambda: not second.manager.alive(), "the second one ends", 20)
        assert "in use by another process" in second.manager.log()
    finally:
        second.kill()
    assert cluster.metrics()["total_slots"] == 0


def test_same_idempotency_key_is_one_job(cluster: Cluster, folder: Path) -> None:
    path = job_file(folder, "generated", parallelism=1)
    answers = [cluster.rest.submit(path, headers={"Idempotency-Key": "key-1"}) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 200]
    assert len({a.json()["job_id"] for a in answers}) == 1
    assert cluster.metrics()["running_jobs"] == 1
