"""Poison records, and a broker that is away: counted, said, and over when the broker is back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from harness.job_files import job_file
from harness.kafka import Broker
from harness.waiting import eventually

POISON = [b'{"name": "half', b"\xff\xfe not utf-8", b"", b"[" * 5000, b'{"name": "x"} trailing']


def poisoned(broker: Broker) -> str:
    topic = broker.topic("names", 1)
    good = [json.dumps({"name": f"n{i}"}).encode() for i in range(100)]
    broker.produce(topic, good[:50] + POISON + good[50:])
    return topic


def test_poison_records_are_skipped_counted_and_sampled(cluster: Cluster, broker: Broker, folder: Path) -> None:
    source, sink = poisoned(broker), broker.topic("out", 1)
    job = cluster.submit(job_file(folder, "json_names", source=source, sink=sink, on_error="skip", bounded=False))
    eventually(lambda: broker.count(sink) == 100, "the good records came through", 60)
    assert sorted(v for _, v in broker.read(sink)) == sorted(f"n{i}".encode() for i in range(100))

    def counted() -> bool:
        return bool(cluster.rest.get(f"/jobs/{job}/metrics")["metrics"]["bad_records"] == len(POISON))

    eventually(counted, f"{len(POISON)} bad records are counted", 15)
    metrics = cluster.rest.get(f"/jobs/{job}/metrics")
    samples = json.dumps([subtask["bad_record_samples"] for vertex in metrics["vertices"] for subtask in vertex["subtasks"]])
    assert "half" in samples and source in samples, f"samples name the place and show the bytes: {samples}"
    assert cluster.status(job)["status"] == "RUNNING"


def test_poison_record_fails_the_job_naming_topic_partition_and_offset(cluster: Cluster, broker: Broker, folder: Path) -> None:
    source, sink = poisoned(broker), broker.topic("out", 1)
    job = cluster.submit(job_file(folder, "json_names", source=source, sink=sink, on_error="fail"))
    eventually(lambda: cluster.status(job)["status"] == "FAILED", "the job fails", 60)
    said = json.dumps(cluster.exceptions(job))
    assert source in said and "50" in said, said


@pytest.fixture
def own_broker(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder / "kafka", own=True)
    broker.start()
    yield broker
    broker.stop()


def test_broker_down_at_submit_is_a_warning_and_the_job_starts_by_itself(
    make_cluster: Callable[..., Cluster], own_broker: Broker, folder: Path
) -> None:
    source, sink = own_broker.topic("in", 2), own_broker.topic("out", 2)
    own_broker.produce(source, [f"line {n}" for n in range(1000)])
    own_broker.stop()
    cluster = make_cluster(task_managers=1, kafka=own_broker.address)
    answer = cluster.rest.submit(job_file(folder, "upper", source=source, sink=sink))
    assert answer.status == 200, answer.body
    job, warnings = answer.json()["job_id"], answer.json()["warnings"]
    assert any(own_broker.address in warning for warning in warnings), warnings
    eventually(
        lambda: own_broker.address in cluster.status(job)["reason"] or own_broker.address in json.dumps(cluster.exceptions(job)),
        "the reason names the broker",
        30,
    )
    own_broker.start()
    cluster.await_status(job, "RUNNING", 90)
    eventually(
        lambda: {v for _, v in own_broker.read(sink)} == {f"LINE {n}".encode() for n in range(1000)},
        "all records came through",
        90,
    )


def test_broker_killed_in_the_middle_and_back(make_cluster: Callable[..., Cluster], own_broker: Broker, folder: Path) -> None:
    source, sink = own_broker.topic("in", 2), own_broker.topic("out", 2)
    cluster = make_cluster(task_managers=1, kafka=own_broker.address)
    job = cluster.submit(job_file(folder, "upper", source=source, sink=sink))
    cluster.await_status(job, "RUNNING")
    own_broker.produce(source, [f"a {n}" for n in range(1000)])
    eventually(lambda: own_broker.count(sink) >= 1000, "the first records came through", 60)
    own_broker.kill()
    cluster.manager.check_alive()
    own_broker.start()
    own_broker.produce(source, [f"b {n}" for n in range(1000)])
    wanted = {f"{letter} {n}".encode() for letter in "AB" for n in range(1000)}
    eventually(lambda: {v for _, v in own_broker.read(sink)} >= wanted, "the later records came through, too", 120, every_s=0.5)
    assert cluster.status(job)["status"] in ("RUNNING", "RESTARTING")


def test_cancel_and_shutdown_do_not_wait_for_a_broker_that_is_away(
    make_cluster: Callable[..., Cluster], own_broker: Broker, folder: Path
) -> None:
    source, sink = own_broker.topic("in", 2), own_broker.topic("out", 2)
    cluster = make_cluster(task_managers=1, kafka=own_broker.address)
    path = job_file(folder, "upper", source=source, sink=sink)
    jobs = [cluster.submit(path), cluster.submit(path)]
    for job in jobs:
        cluster.await_status(job, "RUNNING")
    own_broker.produce(source, [f"a {n}" for n in range(1000)])
    eventually(lambda: own_broker.count(sink) >= 2000, "records came through", 60)
    own_broker.stop()
    start = time.monotonic()
    answer = cluster.cancel(jobs[0])
    assert answer.status == 200 and answer.json()["status"] == "CANCELED"
    assert time.monotonic() - start <= 5
    eventually(lambda: cluster.metrics()["available_slots"] == 2, "its slots are free", 10)
    start = time.monotonic()
    cluster.task_managers["tm1"].stop(10)
    print(f"the TaskManager ended in {time.monotonic() - start:.1f} s with a job running")
