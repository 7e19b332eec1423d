"""Golden cases of operators: job, input, expected rows or error, as plain text. README.md tells the form."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPERATORS = Path(__file__).resolve().parent / "operators"
_SECTION = re.compile(r"-- (job|input|expect|side|error|warning|duckdb)\b ?(.*)")


class BadCase(Exception):
    """A .golden file that does not follow the form; file and line come first."""


@dataclass
class Table:
    """Rows of an input: `columns` as (name, type as written, may it be null), rows as the JSON says."""

    name: str
    columns: list[tuple[str, str, bool]]
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Expected:
    """Rows that must come. fold: the columns that name a row of an updating result, () for all rows; None: every row counts.
    net: rows that are taken back cancel those that came."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    ordered: bool = False
    parallelism: int = 0
    fold: tuple[str, ...] | None = None
    net: bool = False


@dataclass
class Case:
    """One case. line: of its title; job_line: of the first line of its job."""

    file: Path
    line: int
    title: str
    job: str = ""
    job_line: int = 0
    inputs: list[Table] = field(default_factory=list)
    expected: Expected | None = None
    sides: dict[str, Expected] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sql: str = ""

    @property
    def operator(self) -> str:
        return self.file.stem

    @property
    def where(self) -> str:
        return f"{self.file.name}:{self.line}"

    def __str__(self) -> str:
        return f'{self.operator} "{self.title}" ({self.where})'


@dataclass
class GoldenFile:
    """A page: what the operator does, whose docstrings it shows (`# See: …`), and its cases; the first one is the page's example."""

    path: Path
    about: str
    see: list[str]
    cases: list[Case]


def read_all(folder: Path = OPERATORS) -> list[GoldenFile]:
    return [read(path) for path in sorted(folder.glob("*.golden"))]


def read(path: Path) -> GoldenFile:
    lines = path.read_text().splitlines()
    head = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    about = " ".join(line for line in head if not line.startswith("See: "))
    see = [name.strip() for line in head if line.startswith("See: ") for name in line[5:].split(",")]
    cases: list[Case] = []
    section, body, start = "", [], 0

    def close() -> None:
        if section:
            _add_section(cases[-1], section, body, start)

    for number, line in enumerate(lines, 1):
        if line.startswith("== "):
            close()
            section, body = "", []
            cases.append(Case(path, number, line[3:].strip()))
        elif line.startswith("-- "):
            close()
            if not cases or _SECTION.fullmatch(line) is None:
                raise BadCase(
                    f"{path}:{number}: {line!r} is no section of a case: -- job, input, expect, side, error, warning, duckdb"
                )
            section, body, start = line, [], number
        elif section:
            body.append(line)
        elif line.strip() and not line.startswith("#"):
            raise BadCase(f"{path}:{number}: {line!r} stands outside of every section")
    close()
    for case in cases:
        _check(case)
    if not about:
        raise BadCase(f"{path}:1: it begins with a paragraph of what the operator does, behind #")
    return GoldenFile(path, about, see, cases)


def _check(case: Case) -> None:
    at = f"{case.file}:{case.line}"
    if not case.job.strip():
        raise BadCase(f"{at}: the case has no -- job")
    has_rows = case.expected is not None or bool(case.sides)
    if bool(case.errors) == has_rows and not (case.warnings and not has_rows and not case.errors):
        raise BadCase(f"{at}: the case has either -- error, or -- expect and -- side, or -- warning alone")
    if len({table.name for table in case.inputs}) < len(case.inputs):
        raise BadCase(f"{at}: two inputs have one name")


def _add_section(case: Case, head: str, body: list[str], line: int) -> None:
    match = _SECTION.fullmatch(head)
    assert match is not None
    kind, rest = match[1], match[2].strip()
    where = f"{case.file}:{line}"
    if kind == "job":
        case.job, case.job_line = "\n".join(body), line + 1
    elif kind == "input":
        case.inputs.append(_input(where, rest, _rows(case.file, line, body), first=not case.inputs))
    elif kind == "expect":
        case.expected = _expected(where, rest, _rows(case.file, line, body))
    elif kind == "side":
        tag, _, options = rest.partition(" ")
        case.sides[tag] = _expected(where, options, _rows(case.file, line, body))
    elif kind == "error":
        case.errors = [text for text in ([rest, *body]) if text.strip()]
    elif kind == "warning":
        case.warnings = [text for text in ([rest, *body]) if text.strip()]
    else:
        case.sql = "\n".join(body)


def _rows(path: Path, line: int, body: list[str]) -> list[dict[str, Any]]:
    rows = []
    for number, text in enumerate(body, line + 1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            rows.append(json.loads(text))
        except ValueError as error:
            raise BadCase(f"{path}:{number}: a row is one JSON object: {error}") from error
    return rows


def _input(where: str, rest: str, rows: list[dict[str, Any]], first: bool) -> Table:
    """`k: str, t: timestamp[ms]`, or behind a name, `bids k: str`."""
    name = "rows"
    named = re.match(r"(\w+)\s+(?=\w+\s*:)", rest)
    if named:
        name, rest = named[1], rest[named.end() :]
    elif not first:
        raise BadCase(f"{where}: only the first input goes without a name")
    columns = []
    for part in _split(rest):
        column, colon, written = part.partition(":")
        if not colon:
            raise BadCase(f"{where}: {part!r} is no column: name: type")
        written = written.strip()
        bare = re.sub(r"\s*\|\s*None$", "", written)
        columns.append((column.strip(), bare, bare != written))
    return Table(name, columns, rows)


def _split(text: str) -> list[str]:
    """At the commas that stand in no brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part for part in parts if part.strip()]


def _expected(where: str, options: str, rows: list[dict[str, Any]]) -> Expected:
    out = Expected(rows)
    words = options.split()
    while words:
        word = words.pop(0)
        if word == "ordered":
            out.ordered = True
        elif word == "net":
            out.net = True
        elif re.fullmatch(r"p=\d+", word):
            out.parallelism = int(word[2:])
        elif word == "final":
            out.fold = tuple(w.strip(",") for w in words)
            words = []
        else:
            raise BadCase(f"{where}: {word!r} is no option: ordered, p=1, net, final KEY, …")
    return out
