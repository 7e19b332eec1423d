"""Fixtures of the package's tests."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent
sys.path.insert(0, str(TESTS))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A headrace binary that runs small jobs in Python."""
    binary = tmp_path / "stub-headrace"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS / "stub_engine.py"} "$@"\n')
    binary.chmod(0o755)
    monkeypatch.setenv("HEADRACE_BINARY", str(binary))
    monkeypatch.setenv("STUB_PACKAGE", str(PACKAGE))
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return binary
