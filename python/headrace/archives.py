"""Files that travel with a job: deterministic gzip-compressed tars, unpacked once per job and TaskManager.

The same files give the same bytes, whatever their times and owners, so that an unchanged archive keeps its hash.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from headrace.errors import JobValueError

_LEFT_OUT: Final = {"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}

#: Folders that shipped files are found in: unpacked archives in a worker, the files' own folders on the client.
_search_path: list[str] = []


def add_search_path(folders: Iterable[str]) -> None:
    for folder in folders:
        if folder not in _search_path:
            _search_path.append(folder)


def shipped_file(name: str) -> str:
    """The path of a file or folder given to ``env.add_files()``, by its base name (or a path below it), wherever this code runs.

    FileNotFoundError if no such file was shipped.
    """
    for folder in _search_path:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"no file {name!r} was shipped with the job: env.add_files() takes it along")


def _walk(path: str, name: str) -> list[tuple[str, str]]:
    """(path, name in the archive) of the file, or of all files below the folder, in order."""
    if os.path.isfile(path):
        return [(path, name)]
    if not os.path.isdir(path):
        return []  # sockets, devices, broken links
    found = []
    for entry in sorted(os.listdir(path)):
        if entry not in _LEFT_OUT and not entry.endswith((".pyc", ".pyo")):
            found += _walk(os.path.join(path, entry), f"{name}/{entry}")
    return found


def collect_files(paths: Iterable[str | os.PathLike[str]]) -> list[tuple[str, str]]:
    """(path, name in the archive) of every file. JobValueError for a path that does not exist or names that clash."""
    files: dict[str, str] = {}
    for given in paths:
        path = os.path.abspath(os.fspath(given))
        if not os.path.exists(path):
            raise JobValueError(f"add_files: {path} does not exist")
        for file, name in _walk(path, os.path.basename(path)):
            if files.setdefault(name, file) != file:
                raise JobValueError(f"add_files: {files[name]} and {file} would both become {name}")
    return [(file, name) for name, file in sorted(files.items())]


def _add(tar: Any, file: str, name: str) -> None:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size = os.path.getsize(file)
    info.mode = 0o755 if os.access(file, os.X_OK) else 0o644
    with open(file, "rb") as f:
        tar.addfile(info, f)


def pack(files: Iterable[tuple[str, str]]) -> bytes:
    """The archive of (path, name in the archive) files: regular files only, no times, no owners."""
    import gzip
    import tarfile

    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file, name in files:
            _add(tar, file, name)
    return out.getvalue()


def resolve_requirements(requirements: list[str]) -> tuple[bytes, list[str]]:
    """Installs the requirements (and what they need) for this Python and platform into an archive.

    Gives the archive and what was installed, as "name==version". JobValueError with pip's last words if it fails.
    """
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(prefix="headrace-requirements-") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--target",
            folder,
        ]
        done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise JobValueError(f"add_python_requirements: pip could not install {' '.join(requirements)}:\n{words}")
        installed = sorted(
            entry[: -len(".dist-info")].replace("-", "==", 1) for entry in os.listdir(folder) if entry.endswith(".dist-info")
        )
        files = []
        for entry in sorted(os.listdir(folder)):
            if entry not in ("bin", "__pycache__"):
                files += _walk(os.path.join(folder, entry), entry)
        # What pip writes about itself differs between machines and is of no use to the workers.
        files = [(f, n) for f, n in files if not n.endswith((".dist-info/RECORD", ".dist-info/direct_url.json"))]
        return pack(files), installed
