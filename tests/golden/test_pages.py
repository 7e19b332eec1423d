"""The example of every page of docs/reference/operators runs as it stands, and gives as many rows as the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from runs import native_libraries

PAGES = Path(__file__).resolve().parents[2] / "docs/reference/operators"


@pytest.mark.parametrize("page", sorted(PAGES.glob("[a-z]*.md")), ids=lambda page: page.stem)
def test_example_runs(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    match = re.search(r"```python\n(.*?)```\n\n(gives[^\n]*)?\n*((?:\|[^\n]*\n)*)", text, re.DOTALL)
    assert match is not None, f"{page} has no example"
    program = tmp_path / "example.py"
    program.write_text(match[1])
    folder = {"HEADRACE_TASKMANAGER__NATIVE_LIBRARIES": native_libraries()} if "native(" in match[1] else {}
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **folder}
    )
    assert ran.returncode == 0, ran.stderr
    shown, given = len(match[3].splitlines()) - 2, len(ran.stdout.splitlines())
    at_last = match[2] is not None and match[2].startswith("gives at last")
    assert given == shown or (at_last and given > shown), ran.stdout
