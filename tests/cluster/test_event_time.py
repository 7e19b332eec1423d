"""Event time over processes: what /watermarks tells, and sources that wait for each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster
from harness.job_files import job_file
from harness.kafka import Broker
from harness.waiting import eventually

DRIFT_MS = 60_000
# A batch of the fast source, 8 s, is read whole; and a little for the first ones, before anybody has a watermark.
BATCH_MS = 20_000


def watermarks(cluster: Cluster, job: str) -> dict[str, list[dict[str, Any]]]:
    """The subtasks of each vertex by the name of its first operator."""
    return {
        vertex["name"].split(" -> ")[0]: vertex["subtasks"] for vertex in cluster.rest.get(f"/jobs/{job}/watermarks")["vertices"]
    }


def reached(cluster: Cluster, job: str, source: str, least_ms: int) -> bool:
    return all((subtask["watermark_ms"] or 0) >= least_ms for subtask in watermarks(cluster, job)[source])


def test_watermarks_name_the_split_that_holds_them_back(make_cluster: Callable[..., Cluster], folder: Path) -> None:
    cluster = make_cluster(task_managers=2, slots=1)
    job = cluster.submit(job_file(folder, "two_speeds", max_drift_ms=0))
    cluster.await_status(job, "RUNNING")
    eventually(lambda: reached(cluster, job, "fast", 1), "the fast source has a watermark", 30)
    seen = watermarks(cluster, job)
    for subtask in seen["fast"]:
        assert subtask["state"] == "RUNNING" and not subtask["idle"]
        assert subtask["held_by"]["split"] and subtask["held_by"]["since"] > 1_600_000_000_000
        # It is the least of the splits, so none is behind what consumers were given; it may have come further since.
        assert subtask["held_by"]["watermark_ms"] >= subtask["watermark_ms"]
    start = seen["fast"][0]["watermark_ms"]
    eventually(lambda: reached(cluster, job, "fast", start + 1), "it moves on", 30)
    behind = [subtasks for name, subtasks in watermarks(cluster, job).items() if "counts" in name]
    assert behind and all(subtask["held_by"] is None for subtasks in behind for subtask in subtasks)
    assert cluster.cancel(job).status == 200


def test_aligned_sources_stay_together_over_processes(make_cluster: Callable[..., Cluster], folder: Path) -> None:
    cluster = make_cluster(task_managers=2, slots=1)
    job = cluster.submit(job_file(folder, "two_speeds", max_drift_ms=DRIFT_MS))
    cluster.await_status(job, "RUNNING")
    eventually(lambda: reached(cluster, job, "slow", 1), "the slow source has a watermark", 30)
    slow = min(subtask["watermark_ms"] for subtask in watermarks(cluster, job)["slow"])
    eventually(lambda: reached(cluster, job, "slow", slow + 20_000), "the slow source moves on", 60)
    eventually(lambda: reached(cluster, job, "fast", slow + 20_000), "the fast source moves on with it", 60)
    newest = max(subtask["watermark_ms"] for subtask in watermarks(cluster, job)["fast"])
    # What is shown of the slow ones is as old as their last heartbeat. Not aligned, the fast source is minutes ahead by now.
    eventually(lambda: reached(cluster, job, "slow", newest - DRIFT_MS - BATCH_MS), "no fast subtask is ahead", 5)
    assert cluster.cancel(job).status == 200


@pytest.mark.parametrize("custom", [False, True])
def test_a_partition_that_is_ahead_waits_alone(
    make_cluster: Callable[..., Cluster], broker: Broker, folder: Path, custom: bool
) -> None:
    source, sink = broker.topic("aligned", 2), broker.topic("aligned-out", 1)
    fast = 300_000  # more than is read ahead of the task
    far = 100_000_000

    def produce(partition: int, name: str, first: int, count: int, start_ms: int) -> None:
        for n in range(first, first + count):
            row = json.dumps({"name": name, "n": n, "t": start_ms + n})
            broker.produce_record(source, row, None, partition, 1, [])
            if n % 50_000 == 0:
                broker.flush()
        broker.flush()

    def came(name: str) -> list[int]:
        return [row["n"] for row in (json.loads(value or b"") for _, value in broker.read(sink)) if row["name"] == name]

    def paused() -> list[str]:
        ((subtask,),) = watermarks(cluster, job).values()
        assert not subtask["idle"]
        return [*subtask["paused"]]

    produce(0, "slow", 0, 1_000, 0)
    produce(1, "fast", 0, fast, far)
    cluster = make_cluster(task_managers=1, slots=1)
    job = cluster.submit(job_file(folder, "aligned_partitions", source=source, sink=sink, max_drift_ms=DRIFT_MS, custom=custom))
    cluster.await_status(job, "RUNNING")
    eventually(lambda: len(paused()) == 1 and paused()[0].endswith("1"), "the fast partition waits", 30)
    for first in range(1_000, 5_000, 1_000):
        produce(0, "slow", first, 1_000, 0)
        eventually(lambda end=first + 1_000: came("slow") == list(range(end)), "the slow partition goes on", 30)
    held_back = came("fast")
    assert held_back == list(range(len(held_back))) and 0 < len(held_back) < fast
    ((subtask,),) = watermarks(cluster, job).values()
    assert subtask["watermark_ms"] < 5_000 and subtask["held_by"]["split"].endswith("0")
    produce(0, "slow", 5_000, 1, far + fast)
    eventually(lambda: len(came("fast")) >= fast, "the fast partition has caught up", 60)
    assert came("fast") == list(range(fast)), "each row once, in order"
    assert came("slow") == list(range(5_001))
    eventually(lambda: not paused(), "nobody waits any more", 10)
    assert cluster.cancel(job).status == 200
