"""The count of every word is the true one, whatever the parallelism and wherever the job runs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from harness.cluster import Cluster
from harness.job_files import JOBS, job_file
from harness.kafka import Broker
from harness.processes import BINARY, PYTHON
from harness.words import Lines, differences


def count_words(
    cluster: Cluster, broker: Broker, folder: Path, source: str, parallelism: int, within_s: float
) -> tuple[dict[str, int], float]:
    sink = broker.topic("counts", 8)
    start = time.monotonic()
    job = cluster.submit(job_file(folder, "word_count", source=source, sink=sink, parallelism=parallelism))
    cluster.await_status(job, "FINISHED", within_s)
    return broker.last_counts(sink), time.monotonic() - start


def test_last_count_of_each_word_is_true_at_parallelism_12(cluster: Cluster, broker: Broker, folder: Path, full: bool) -> None:
    words = Lines(1_000_000 if full else 200_000)
    source = broker.topic("lines", 8)
    broker.produce(source, words.lines)
    counted, took = count_words(cluster, broker, folder, source, 12, 900 if full else 240)
    print(f"{len(words.lines)} lines counted in {took:.1f} s")
    assert differences(words.truth, counted) == ""
    assert cluster.metrics()["available_slots"] == 12


def test_last_count_of_each_word_is_true_at_parallelism_1(
    cluster: Cluster, broker: Broker, folder: Path, lines: Lines, lines_topic: str
) -> None:
    counted, _ = count_words(cluster, broker, folder, lines_topic, 1, 120)
    assert differences(lines.truth, counted) == ""


def test_embedded_run_counts_the_same(broker: Broker, folder: Path, lines: Lines, lines_topic: str) -> None:
    sink = broker.topic("counts", 8)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "POSTGRES_"))} | {
        "KAFKA_BOOTSTRAP_SERVERS": broker.address,
        "HEADRACE_DATA_DIR": str(folder / "data"),
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [str(PYTHON), str(JOBS / "word_count_embedded.py"), json.dumps({"source": lines_topic, "sink": sink, "parallelism": 2})],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert differences(lines.truth, broker.last_counts(sink)) == ""
