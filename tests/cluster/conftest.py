"""Fixtures: one broker and one PostgreSQL for the run, a cluster of its own for each test. See README.md."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.cluster import Cluster
from harness.kafka import Broker
from harness.postgres import PostgresServer
from harness.words import Lines


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the sizes of the acceptance points instead of smaller ones")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_FAILED] = report.failed


_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="headrace-cluster-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
    yield folder
    if not any((folder / "tests").glob("*")):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def broker(run_folder: Path) -> Iterator[Broker]:
    broker = Broker(run_folder / "kafka")
    broker.start()
    yield broker
    broker.stop()
    shutil.rmtree(run_folder / "kafka", ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(run_folder / "postgres")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(run_folder / "postgres", ignore_errors=True)


@pytest.fixture
def folder(run_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Everything that one test writes; kept with its logs when the test fails."""
    folder = run_folder / "tests" / request.node.name.replace("/", "_").replace("[", "-").replace("]", "")
    folder.mkdir(parents=True)
    yield folder
    if request.node.stash.get(_FAILED, True) or os.environ.get("HEADRACE_TEST_KEEP"):
        print(f"\nlogs of {request.node.name}: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_cluster(
    folder: Path, postgres: PostgresServer, broker: Broker, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters: make_cluster(task_managers=3, slots=4, kafka=…, database=…, env=…). Each ends with the test."""
    clusters: list[Cluster] = []

    def make(
        task_managers: int = 3, slots: int = 4, kafka: str | None = None, env: dict[str, str] | None = None, **given: Any
    ) -> Cluster:
        database = given["database"] if "database" in given else postgres.database()
        cluster = Cluster(folder, database, kafka or broker.address, env)
        clusters.append(cluster)
        cluster.start(task_managers, slots)
        return cluster

    yield make
    failed = request.node.stash.get(_FAILED, True)
    for cluster in clusters:
        if failed:
            for process in [cluster.manager, *cluster.task_managers.values()]:
                print(f"--- {process.name} ---\n{process.log_tail(15)}")
        try:
            cluster.stop()
        finally:
            cluster.kill()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    """3 TaskManagers with 4 slots each."""
    return make_cluster()


@pytest.fixture(scope="session")
def lines() -> Lines:
    """What the tests count when the number does not matter: 40,000 lines."""
    return Lines(40_000)


@pytest.fixture(scope="session")
def lines_topic(broker: Broker, lines: Lines) -> str:
    topic = broker.topic("lines", 8)
    broker.produce(topic, lines.lines)
    return topic
