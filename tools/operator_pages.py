"""Writes docs/reference/operators/: a page for each tests/golden/operators/*.golden, from its cases and the docstrings that it names.

operator_pages.py [--check]    --check writes nothing and fails when a page is not what it would write

A golden file names them as `# See: DataStream.select, data/operator/calc.h:Calc`: Python classes and functions of the headrace package,
and C++ classes by their header below src/.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/golden"))
from cases import Case, GoldenFile, Table, read_all

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs/reference/operators"

# ---- docstrings ----


def python_definitions() -> dict[str, tuple[str, str]]:
    """(signature, docstring) of every public class, method and function, by "Class.method" or "function"."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((ROOT / "python/headrace").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
                shown = f"{node.name}({_arguments(init)})" if init is not None else node.name
                found.setdefault(node.name, (shown, ast.get_docstring(node) or ""))
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        name = f"{node.name}.{inner.name}"
                        found.setdefault(name, (f"{name}({_arguments(inner)})", ast.get_docstring(inner) or ""))
            elif isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, (f"{node.name}({_arguments(node)})", ast.get_docstring(node) or ""))
    return found


def _arguments(node: ast.FunctionDef | None) -> str:
    if node is None:
        return ""
    text = ast.unparse(node.args)
    return re.sub(r"^(self|cls)(, )?", "", text)


def cpp_comment(header: str, name: str) -> str:
    """The /// text in front of a class."""
    lines = (ROOT / "src" / header).read_text().splitlines()
    at = next((i for i, line in enumerate(lines) if re.match(rf"(class|struct) {name}\b[^;]*$", line)), None)
    if at is None:
        raise SystemExit(f"operator_pages: src/{header} has no class {name}")
    comment: list[str] = []
    while at > 0 and lines[at - 1].startswith("///"):
        at -= 1
        comment.insert(0, lines[at].removeprefix("///").removeprefix(" "))
    if not comment:
        raise SystemExit(f"operator_pages: class {name} of src/{header} has no /// comment")
    return "\n".join(comment)


# ---- pages ----


def page(golden: GoldenFile, definitions: dict[str, tuple[str, str]]) -> str:
    out = [f"# {golden.path.stem.replace('_', ' ')}", "", *textwrap.wrap(golden.about, 138), ""]
    out += ["## Example", "", "```python", *program(golden.cases[0]).splitlines(), "```", "", *result(golden.cases[0]), ""]
    python = [name for name in golden.see if ":" not in name]
    if python:
        out += ["## In Python", ""]
    for name in python:
        if name not in definitions:
            raise SystemExit(f"operator_pages: {golden.path.name} names {name}, which the package does not have")
        signature, text = definitions[name]
        out += [f"`{signature}`", "", *text.splitlines(), ""]
    native = [name for name in golden.see if ":" in name]
    if native:
        out += ["## In the engine", ""]
    for name in native:
        header, _, what = name.partition(":")
        out += [f"`{what}`, `src/{header}`", "", "```text", *cpp_comment(header, what).splitlines(), "```", ""]
    refusals = [case for case in golden.cases[1:] if case.errors]
    out += [
        "## What else is fixed",
        "",
        f"Each of these is a case of `tests/golden/operators/{golden.path.name}`, run at parallelism 1 and 4.",
        "",
    ]
    out += [f"- {case.title}" for case in golden.cases[1:] if not case.errors]
    if refusals:
        out += ["", "Refused:", "", *(f"- {case.title}: `{case.errors[-1].strip()}`" for case in refusals)]
    return "\n".join(out).rstrip() + "\n"


def program(case: Case) -> str:
    """The case as a program of its own that prints its rows."""
    # A name behind a point is a method, one before = a column.
    names = set(re.findall(r"(?<![.\w])[A-Za-z_]\w*\b(?!=[^=])", case.job)) & set(public_names())
    lines = [f"from headrace import {', '.join(sorted({*names, 'StreamExecutionEnvironment'}))}", ""]
    lines += [f'env = StreamExecutionEnvironment("{case.operator}")']
    for table in case.inputs:
        lines += source(table)
    lines += [*case.job.rstrip().splitlines(), "for row in out.collect():", "    print(row)"]
    return "\n".join(lines)


def source(table: Table) -> list[str]:
    types = ", ".join(
        f'"{name}": {json.dumps(written + (" | None" if nullable else ""))}' for name, written, nullable in table.columns
    )
    rows = [f"        {row!r}," for row in table.rows]
    return [f"{table.name} = env.from_collection(", "    [", *rows, "    ],", f"    {{{types}}},", ")"]


def result(case: Case) -> list[str]:
    """The expected rows as a table."""
    expected = case.expected
    if expected is None or not expected.rows:
        return []
    columns = list(expected.rows[0])
    title = "gives, in any order (times are shown as ms)"
    if expected.fold is not None:
        title = f"gives at last, for each {' and '.join(expected.fold) or 'job'} (rows before it hold older states)"
    rows = ["| " + " | ".join(json.dumps(row.get(name)).strip('"') for name in columns) + " |" for row in expected.rows]
    return [title, "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns), *rows]


def public_names() -> list[str]:
    tree = ast.parse((ROOT / "python/headrace/__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(node.value))
    raise SystemExit("operator_pages: headrace/__init__.py has no __all__")


def index(goldens: list[GoldenFile]) -> str:
    out = [
        "# Operators",
        "",
        "A page each, with a runnable example; written by `tools/operator_pages.py` from docstrings and golden cases.",
        "",
    ]
    for golden in goldens:
        first = re.split(r"(?<=[.:]) ", golden.about)[0]
        out.append(f"- [{golden.path.stem.replace('_', ' ')}]({golden.path.stem}.md): {first}")
    return "\n".join(out) + "\n"


def main() -> int:
    goldens, definitions = read_all(), python_definitions()
    pages = {f"{golden.path.stem}.md": page(golden, definitions) for golden in goldens}
    pages["README.md"] = index(goldens)
    stale = [name for name, text in pages.items() if not (PAGES / name).exists() or (PAGES / name).read_text() != text]
    gone = [path for path in PAGES.glob("*.md") if path.name not in pages]
    if "--check" in sys.argv[1:]:
        wrong = [*stale, *(path.name for path in gone)]
        if wrong:
            print(
                f"operator_pages: docs/reference/operators/{wrong[0]} is not what the golden cases and docstrings say. "
                "Run .venv/bin/python tools/operator_pages.py",
                file=sys.stderr,
            )
        return 1 if wrong else 0
    PAGES.mkdir(exist_ok=True)
    for name in stale:
        (PAGES / name).write_text(pages[name])
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
