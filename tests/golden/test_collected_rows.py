"""Rows on their way back to the program that runs a job."""

from __future__ import annotations

import os
import subprocess
import sys

import headrace
from headrace.engine import find_engine
from headrace.graph_builder import build_job_graph


def test_rows_that_cannot_be_handed_over_fail_the_job() -> None:
    env = headrace.StreamExecutionEnvironment("full")
    env.from_collection([{"n": 1}], {"n": "int"}).add_sink(headrace.CollectSink())
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = subprocess.run(
            [find_engine(), "run", "-", "--results-fd", str(full)],
            input=build_job_graph(env).to_pickle(), pass_fds=[full], capture_output=True, timeout=60,
            env={"HEADRACE_PYTHON__EXECUTABLE": sys.executable, **os.environ},
        )  # fmt: skip
    finally:
        os.close(full)
    said = ended.stderr.decode()
    assert ended.returncode == 1, said
    assert said.count("collected rows cannot be handed over: No space left on device") == 1, said
    assert "HR1207" in said
