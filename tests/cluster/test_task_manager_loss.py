"""A TaskManager dies: the job goes on elsewhere, or waits with the numbers, and every count is still true."""

from __future__ import annotations

import time
from pathlib import Path

from harness.cluster import Cluster
from harness.job_files import job_file
from harness.kafka import Broker
from harness.waiting import eventually, seconds_until
from harness.words import Lines, differences


def busy_word_count(cluster: Cluster, broker: Broker, folder: Path, source: str, parallelism: int) -> tuple[str, str]:
    """(job, output topic) of a count that has written something and is far from its end."""
    sink = broker.topic("counts", 8)
    job = cluster.submit(job_file(folder, "word_count", source=source, sink=sink, parallelism=parallelism))
    eventually(lambda: broker.count(sink) > 1000, "the job writes counts", 60)
    return job, sink


def test_killed_task_manager_restarts_elsewhere_within_5_s_and_counts_stay_true(
    cluster: Cluster, broker: Broker, folder: Path
) -> None:
    words = Lines(200_000)
    source = broker.topic("lines", 8)
    broker.produce(source, words.lines)
    job, sink = busy_word_count(cluster, broker, folder, source, 8)
    before = cluster.status(job)["deployment"]
    cluster.task_managers["tm2"].kill()

    def runs_again() -> bool:
        now = cluster.status(job)
        return now["status"] == "RUNNING" and now["deployment"] > before

    took = seconds_until(runs_again, f"job {job} runs again", 30)
    print(f"running again {took:.2f} s after the kill")
    assert took <= 5
    cluster.await_status(job, "FINISHED", 300)
    assert differences(words.truth, broker.last_counts(sink)) == ""


def test_job_without_enough_slots_waits_with_the_numbers_and_resumes_within_5_s(cluster: Cluster, folder: Path) -> None:
    job = cluster.submit(job_file(folder, "generated", parallelism=12))
    cluster.await_status(job, "RUNNING")
    cluster.task_managers["tm3"].kill()

    def waits_for_slots() -> bool:
        now = cluster.status(job)
        return now["status"] == "RESTARTING" and "need 12 slots, 8 free" in now["reason"]

    eventually(waits_for_slots, "RESTARTING with 'need 12 slots, 8 free'", 15)
    cluster.add_task_manager("tm3")
    registered = time.monotonic()
    cluster.await_slots(12)
    took = seconds_until(lambda: cluster.status(job)["status"] == "RUNNING", f"job {job} resumes", 30)
    print(f"running {took:.2f} s after the slots' return, {time.monotonic() - registered:.2f} s after the process start")
    assert took <= 5


def test_paused_task_manager_that_comes_back_does_not_spoil_the_count(cluster: Cluster, broker: Broker, folder: Path) -> None:
    """A process that was silent for longer than the timeout returns as a stranger: its old tasks may not write on."""
    import signal

    words = Lines(100_000, seed=11)
    source = broker.topic("lines", 8)
    broker.produce(source, words.lines)
    job, sink = busy_word_count(cluster, broker, folder, source, 8)
    victim = cluster.task_managers["tm1"]
    restarts = cluster.status(job)["restarts"]
    victim.signal(signal.SIGSTOP)
    try:
        eventually(
            lambda: cluster.status(job)["restarts"] > restarts or cluster.status(job)["status"] == "RESTARTING",
            "the job restarts without the silent one",
            60,
        )
    finally:
        victim.signal(signal.SIGCONT)
    cluster.await_status(job, "FINISHED", 300)
    assert differences(words.truth, broker.last_counts(sink)) == ""
