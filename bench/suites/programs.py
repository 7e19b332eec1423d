"""Programs of bench/ that stay up and answer commands, so that they and their peers run in alternating pairs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
Row = dict[str, Any]


def find_program(name: str) -> Path:
    """build/release/bench/bench_NAME, wherever its folder."""
    for path in (BUILD / "bench" / f"bench_{name}", BUILD / "bench" / "micro" / f"bench_{name}"):
        if path.exists():
            return path
    raise SystemExit(f"bench: no program bench_{name} in {BUILD}/bench. Hint: ./dev bench builds it")


class Program:
    """A program that reads commands, a line each, and answers one JSON object a line. Ends with the `with` block."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [str(find_program(name)), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._name = name

    def __enter__(self) -> Program:
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: bench_{self._name} ended with {self._process.wait()}; its reason stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def ratio(values: Sequence[float], limits: Sequence[float]) -> float:
    """The median of the ratios of pairs."""
    return median(v / limit for v, limit in zip(values, limits, strict=True))


def process_tree_cpu(pid: int) -> float:
    """User and system seconds of a process and of its children that live or were waited for."""
    total, todo, tick = 0.0, [pid], os.sysconf("SC_CLK_TCK")
    while todo:
        one = todo.pop()
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            todo += [int(c) for t in Path(f"/proc/{one}/task").iterdir() for c in (t / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(f) for f in fields[11:15]) / tick
    return total
