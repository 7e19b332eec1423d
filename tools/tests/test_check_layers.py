"""The layer check must see a planted forbidden include, and must accept the tree as it is."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "tools" / "check_layers.py"


def run(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), "--root", str(root)], capture_output=True, text=True, check=False)


def tree_with(tmp_path: Path, file: str, include: str) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "layers.toml", tmp_path / "tools")
    for folder in ("data/task", "control/job", "base", "net"):
        (tmp_path / "src" / folder).mkdir(parents=True)
    (tmp_path / "src/data/task/task.h").write_text("#pragma once\n")
    (tmp_path / "src/base/status.h").write_text("#pragma once\n")
    (tmp_path / "src" / file).write_text(f"#include {include}\n")
    return tmp_path


def test_this_tree_obeys_the_law() -> None:
    result = run(ROOT)
    assert result.returncode == 0, result.stderr


def test_control_plane_including_data_plane_is_caught(tmp_path: Path) -> None:
    result = run(tree_with(tmp_path, "control/job/job_master.cc", '"data/task/task.h"'))
    assert result.returncode == 1
    assert "src/control/job/job_master.cc:1: control/job may not include data/task/task.h" in result.stderr


def test_third_party_header_outside_its_folder_is_caught(tmp_path: Path) -> None:
    result = run(tree_with(tmp_path, "control/job/job_master.cc", "<grpcpp/grpcpp.h>"))
    assert result.returncode == 1
    assert "belongs behind wire" in result.stderr


def test_allowed_include_passes(tmp_path: Path) -> None:
    assert run(tree_with(tmp_path, "control/job/job_master.cc", '"base/status.h"')).returncode == 0
