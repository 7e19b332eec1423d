"""Programs under jobs/ that run their job embedded, as a user would on one machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .job_files import JOBS
from .kafka import Broker
from .processes import BINARY, PYTHON


def run_embedded(job: str, broker: Broker, folder: Path, parameters: dict[str, Any]) -> None:
    """Runs jobs/<job> with `parameters` as JSON until it ends; AssertionError with what it said when it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "POSTGRES_"))} | {
        "KAFKA_BOOTSTRAP_SERVERS": broker.address,
        "HEADRACE_DATA_DIR": str(folder / "data"),
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}",
    }
    command = [str(PYTHON), str(JOBS / job), json.dumps(parameters)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
