"""A field number that changes its meaning would make an older process misread a newer one's messages: the check must see it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = 'syntax = "proto3";\npackage t;\n'


def check(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "t.proto").write_text(HEAD + text)
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/check_proto.py"), str(folder), *arguments], capture_output=True, text=True, check=False
    )


def test_this_trees_numbers_are_kept() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools/check_proto.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_numbers_are_kept_for_ever(tmp_path: Path) -> None:
    assert check(tmp_path, "message M { string a = 1; int32 b = 2; }", "--write").returncode == 0
    assert check(tmp_path, "message M { int32 b = 2; string a = 1; }").returncode == 0
    for other in (
        "message M { string a = 1; int32 c = 2; }",
        "message M { string a = 1; int64 b = 2; }",
        "message M { string a = 1; }",
        "message N { string a = 1; }",
    ):
        done = check(tmp_path, other)
        assert done.returncode == 1 and "t.M 2" in done.stderr, other
    assert check(tmp_path, "message M { string a = 1; int64 c = 2; }", "--write").returncode == 1, (
        "a changed number cannot be written away"
    )
    assert check(tmp_path, "message M { string a = 1; reserved 2; }").returncode == 0
    grown = "message M { string a = 1; int32 b = 2; bytes c = 3; }"
    assert "t.M 3" in check(tmp_path, grown).stderr
    assert check(tmp_path, grown, "--write").returncode == 0
    assert check(tmp_path, grown).returncode == 0
