"""Checks that every #include below src/ obeys tools/layers.toml. Usage: check_layers.py [--root DIR]; exit 1 with one line a breach.

A source file belongs to the longest listed folder that contains it. It may include: its own folder, the folder's `basics`
(base and columnar unless the law says otherwise), the folders in `may`, and third-party headers that its folder is listed for.
Files in a tests/ folder may also include what [tests] lists. Headers that nothing restricts (the standard library, Arrow, fmt) are free.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import tomllib

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
DEFAULT_BASICS = ["base", "columnar"]
Law = dict[str, Any]


def folder_of(path: str, folders: list[str]) -> str | None:
    """The longest folder of `folders` that is `path` or contains it."""
    inside = [f for f in folders if path == f or path.startswith(f + "/")]
    return max(inside, key=len) if inside else None


def is_below(folder: str, allowed: list[str]) -> bool:
    return any(folder == a or folder.startswith(a + "/") for a in allowed)


def check_file(source: Path, src: Path, law: Law) -> list[str]:
    """One message per forbidden include of one file."""
    folders = list(law["folders"])
    relative = source.relative_to(src).as_posix()
    home = folder_of(relative, folders)
    if home is None:
        return [f"src/{relative}: this folder is not in tools/layers.toml; add a line for it"]
    rule = law["folders"][home]
    may = [home, *rule.get("basics", DEFAULT_BASICS), *rule["may"]]
    in_tests = "tests" in source.relative_to(src).parts
    third_party_free = law["tests"]["third_party"] if in_tests else []
    breaches = []
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        path = match[2]
        where = f"src/{relative}:{number}"
        target = folder_of(path, folders)
        if target is not None and (src / path).exists():
            if "*" not in may and target not in may and not (in_tests and is_below(target, law["tests"]["may"])):
                breaches.append(
                    f"{where}: {home} may not include {path} (folder {target}); allowed: {', '.join(sorted(set(may)))}"
                )
            continue
        for prefix, allowed in law["third_party"].items():
            if path.startswith(prefix) and not is_below(home, allowed) and not any(path.startswith(p) for p in third_party_free):
                breaches.append(f"{where}: {path} belongs behind {', '.join(allowed) or 'no folder'}; {home} may not include it")
    return breaches


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks #includes against tools/layers.toml")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    law = tomllib.loads((root / "tools" / "layers.toml").read_text(encoding="utf-8"))
    src = root / "src"
    files = sorted(p for pattern in ("*.h", "*.cc") for p in src.rglob(pattern))
    breaches = [b for f in files for b in check_file(f, src, law)]
    for breach in breaches:
        print(breach, file=sys.stderr)
    print(f"layers: {len(files)} files, {len(breaches)} forbidden includes")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
