"""A word count through a running Compose stack, as the guide does it: pickle.dump and curl. Exits 1 when a count is wrong.

count_words.py REST KAFKA LINES PARALLELISM, e.g. count_words.py localhost:8081 localhost:9094 20000 12
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from harness.job_files import job_file
from harness.kafka import Broker
from harness.waiting import eventually
from harness.words import Lines, differences


def curl(*arguments: str) -> dict:
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def main(rest: str, kafka: str, line_count: int, parallelism: int) -> int:
    os.environ["HEADRACE_TEST_KAFKA"] = kafka
    broker, words = Broker(Path("unused")), Lines(line_count, vocabulary=5000)
    source, sink = broker.topic("lines", 8), broker.topic("counts", 8)
    broker.produce(source, words.lines)
    with tempfile.TemporaryDirectory() as folder:
        # Inside the stack the brokers are the cluster's own KAFKA_BOOTSTRAP_SERVERS.
        path = job_file(Path(folder), "word_count", source=source, sink=sink, parallelism=parallelism)
        start = time.monotonic()
        answer = curl("-X", "POST", f"http://{rest}/jobs/submit", "-F", f"job_file=@{path}")
    print(f"submitted: {answer}")
    job = answer["job_id"]

    def ended() -> str | None:
        status = curl(f"http://{rest}/jobs/{job}/status")["status"]
        return status if status in ("FINISHED", "FAILED", "CANCELED") else None

    status = eventually(ended, f"job {job} ends", 300, every_s=0.25)
    if status != "FINISHED":
        print(f"job {job} is {status}: {curl(f'http://{rest}/jobs/{job}/exceptions')}")
        return 1
    took = time.monotonic() - start
    wrong = differences(words.truth, broker.last_counts(sink))
    print(wrong or f"{line_count} lines, {len(words.truth)} words: every count is true, {took:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
