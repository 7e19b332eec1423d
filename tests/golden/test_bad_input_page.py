"""The page of bad input names golden cases: each of them must be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/bad_input.md"
CASES = ROOT / "tests/golden/operators"


def named_cases() -> list[tuple[str, str]]:
    """File and title of each case that a row of a table names, in its last column."""
    named = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) < 3:
            continue
        for part in cells[-1].split("; `"):
            found = re.fullmatch(r"`?(\w+)`: (.+?)\s*\|?", part.strip())
            if found:
                named.append((found.group(1), found.group(2)))
    return named


def test_every_row_names_cases_that_exist() -> None:
    named = named_cases()
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`" in line.rsplit(" | ", 1)[-1]]
    assert len(rows) >= 25 and len(named) > len(rows), "the page's tables are not read as they are written"
    missing = []
    for file, title in named:
        titles = re.findall(r"^== (.+)$", (CASES / f"{file}.golden").read_text(), re.MULTILINE)
        if title not in titles:
            missing.append(f"{file}: {title}")
    assert not missing, "docs/reference/bad_input.md names cases that are not there: " + "; ".join(missing)
