"""A function that misbehaves ends its own job only, and its author is told where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.cluster import Cluster
from harness.job_files import JOBS, job_file
from harness.waiting import eventually


def bad_line() -> int:
    return next(n for n, line in enumerate((JOBS / "misbehaving.py").read_text().splitlines(), 1) if "# the bad line" in line)


@pytest.mark.parametrize("how", ["raise", "crash", "hang"])
def test_misbehaving_function_fails_its_job_and_no_other(make_cluster: Callable[..., Cluster], folder: Path, how: str) -> None:
    cluster = make_cluster(task_managers=1, env={"HEADRACE_PYTHON__BATCH_TIMEOUT": "3s"})
    bystander = cluster.submit(job_file(folder, "generated", parallelism=1))
    cluster.await_status(bystander, "RUNNING")
    job = cluster.submit(job_file(folder, "misbehaving", how=how))
    eventually(lambda: cluster.status(job)["status"] == "FAILED", f"the job that will {how} has failed", 60)

    first = cluster.exceptions(job)[0]
    said = json.dumps(first)
    assert "the bad map" in said, said
    if how == "raise":
        assert "ValueError" in said and "row 500 is the bad one" in said
        assert f"misbehaving.py:{bad_line()}" in said or f"line {bad_line()}" in said, f"line {bad_line()} is not in {said}"
        assert "ValueError" in first["traceback"]
    else:
        assert first["code"] == {"crash": "HR1402", "hang": "HR1403"}[how], said

    now = cluster.status(bystander)
    assert now["status"] == "RUNNING" and now["restarts"] == 0 and cluster.exceptions(bystander) == []
    cluster.manager.check_alive()
    assert cluster.cancel(bystander).status == 200
    eventually(lambda: not cluster.workers(), "no worker process is left", 10)
