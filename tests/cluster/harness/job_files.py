"""Job files: from the programs under jobs/, and broken on purpose."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .processes import PYTHON

JOBS = Path(__file__).resolve().parents[1] / "jobs"


def job_file(folder: Path, program: str, **parameters: Any) -> Path:
    """Runs jobs/<program>.py as a user would; the path of the .pkl it wrote."""
    path = folder / f"{program}-{abs(hash(json.dumps(parameters, sort_keys=True, default=str))):x}.pkl"
    done = subprocess.run(
        [str(PYTHON), str(JOBS / f"{program}.py"), str(path), json.dumps(parameters)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and path.exists(), f"{program}.py failed:\n{done.stdout}\n{done.stderr}"
    return path


def altered(
    path: Path, change_graph: Callable[[Any], None] | None = None, change_header: Callable[[Any], None] | None = None
) -> bytes:
    """The job file with its protobuf parts changed and everything around them, checksum included, right again."""
    from headrace.job_graph import JobGraph

    whole = JobGraph.from_bytes(path.read_bytes())
    header, graph = whole.header, whole.graph
    if change_graph:
        change_graph(graph)
    if change_header:
        change_header(header)
    return JobGraph.from_parts(header.SerializeToString(), graph.SerializeToString()).to_pickle()
