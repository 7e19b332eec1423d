"""The connectors' own tests (tests/connector_kafka), with a broker of theirs that they stop, kill and start again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.processes import ROOT


def test_kafka_connectors_on_a_broker_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    program = ROOT / "build/release/tests/connector_kafka/test_connector_kafka"
    assert program.exists(), "build it first: ninja -C build/release test_connector_kafka"
    command = [str(ROOT / "tests/connector_kafka/run.sh"), str(program), "--gtest_brief=1"]
    done = subprocess.run(
        command, env=dict(os.environ, TMPDIR=str(tmp_path)), capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
