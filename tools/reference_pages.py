"""Writes docs/reference/settings.md, errors.md and expressions.md from settings.def, error_codes.def and function_table.cc.

reference_pages.py [--check]    --check writes nothing and fails when a page is not what it would write
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTING = re.compile(
    r'^HEADRACE_SETTING\("([^"]+)", "([^"]*)", k(\w+), "([^"]*)", "([^"]*)", (true|false), "([a-z]*)", "([^"]*)"\)$'
)
ERROR = re.compile(r'^HEADRACE_ERROR\((\d+), k(\w+), k(\w+), (\d+), "((?:[^"\\]|\\.)*)"\)$')
READERS = {"j": "JobManager", "t": "TaskManager", "l": "local", "c": "commands"}
KINDS = {
    "Int": "number",
    "Bool": "true or false",
    "Bytes": "size (`64MiB`)",
    "DurationMs": "time (`60s`)",
    "Port": "port",
    "List": "list (`a,b`)",
    "String": "text",
}
ACTORS = {
    "User": "you",
    "Transient": "nobody: it is tried again",
    "TaskFatal": "the attempt ends; restarts as the strategy says",
    "Corruption": "an operator",
}


def rows(path: str, macro: str, pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    lines = [line for line in (ROOT / path).read_text().splitlines() if line.startswith(macro + "(")]
    found = []
    for line in lines:
        match = pattern.match(line)
        if match is None:
            raise SystemExit(f"reference_pages: {path}: this line has another form: {line}")
        found.append(match.groups())
    return found


def settings_page() -> str:
    out = [
        "# Settings",
        "",
        "Strongest first: a flag (`--set section.key=value`), `HEADRACE_SECTION__KEY`, the short name, the file of `--config` (YAML), the default.",
        "`headrace config show --origin` says which one it was. Secrets may come from a file: `NAME_FILE`, in the settings file `key_file`.",
        "Settings that nobody reads yet are marked; a value for one is accepted with a warning. Written by `tools/reference_pages.py`.",
        "",
        "| key | short name | takes | default | read by | |",
        "|---|---|---|---|---|---|",
    ]
    for key, bare, kind, default, rule, secret, readers, text in rows("src/base/settings.def", "HEADRACE_SETTING", SETTING):
        takes = " ".join(f"`{choice}`" for choice in rule.split("|")) if kind == "Choice" else KINDS[kind]
        by = ", ".join(READERS[letter] for letter in readers) or "**nobody yet**"
        secrecy = " (secret)" if secret == "true" else ""
        out.append(f"| {key} | {bare} | {takes}{secrecy} | {default} | {by} | {text} |")
    return "\n".join(out) + "\n"


def errors_page() -> str:
    out = [
        "# Error codes",
        "",
        "Every refusal and failure carries one: REST as `code`, the commands as `code:`. Written by `tools/reference_pages.py`.",
        "",
        "| code | name | HTTP | who acts | hint |",
        "|---|---|---|---|---|",
    ]
    for number, name, who, status, hint in rows("src/base/error_codes.def", "HEADRACE_ERROR", ERROR):
        out.append(f"| HR{number} | {name} | {status} | {ACTORS[who]} | {hint.replace(chr(92) + chr(34), chr(34))} |")
    return "\n".join(out) + "\n"


FUNCTION = re.compile(r'\{F::k\w+, "(\w+)", "([^"]*)", (-?\d+), (-?\d+), "((?:[^"\\]|\\.)*)"\},')


def expressions_page() -> str:
    out = [
        "# Functions of expressions",
        "",
        "Methods of `col(…)` and functions of `headrace`, or by name: `headrace.expressions.call(name, …)`. Rules and examples:",
        "[expressions](operators/expressions.md). Written by `tools/reference_pages.py`.",
        "",
        "| name | written | arguments | gives |",
        "|---|---|---|---|",
    ]
    found = FUNCTION.findall((ROOT / "src/plan/function_table.cc").read_text())
    if not found:
        raise SystemExit("reference_pages: src/plan/function_table.cc has no entries of the form {F::kName, …}")
    for name, written, least, most, text in found:
        arguments = least if least == most else f"{least} or more" if most == "-1" else f"{least} to {most}"
        shown = written.replace("|", "\\|")
        out.append(f"| {name} | {f'`{shown}`' if shown else ''} | {arguments} | {text.replace(chr(92) * 2, chr(92))} |")
    return "\n".join(out) + "\n"


def main() -> int:
    stale = []
    pages = (("settings.md", settings_page()), ("errors.md", errors_page()), ("expressions.md", expressions_page()))
    for name, text in pages:
        page = ROOT / "docs/reference" / name
        if "--check" not in sys.argv[1:]:
            page.write_text(text)
        elif not page.exists() or page.read_text() != text:
            stale.append(name)
    if stale:
        print(
            f"reference_pages: {', '.join(stale)} is not what the tables say. Run .venv/bin/python tools/reference_pages.py",
            file=sys.stderr,
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
