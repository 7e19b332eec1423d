"""What the documents and the deployment name must be what the code has: settings, error codes, metrics, commands, files, ports."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTING = re.compile(
    r'^HEADRACE_SETTING\("([a-z0-9_.]+)", "([A-Z0-9_]*)", k\w+, "([^"]*)", "[^"]*", (true|false), "([a-z]*)"', re.M
)
OURS = re.compile(
    r"\b(?:HEADRACE|POSTGRES|JOBMANAGER|TASKMANAGER|TASK|HEARTBEAT|METRICS|MEMORY|STATE|ROCKSDB|CHECKPOINT|S3)_[A-Z0-9_]+\b"
)
PATH = re.compile(r"`((?:src|docs|tests|tools|bench|deployment|python|proto|examples|cmake)/[\w./-]+)`")


@cache
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@cache
def documents() -> dict[Path, str]:
    return {path: path.read_text() for path in tracked() if path.suffix == ".md"}


@cache
def code() -> str:
    kinds = {".cc", ".h", ".def", ".py", ".c", ".sh", ".yml", ".yaml", ".proto", ".txt", ".cmake", ""}
    return "\n".join(
        p.read_text(errors="replace") for p in tracked() if p.suffix in kinds and p != Path(__file__) and "corpus" not in p.parts
    )


@cache
def settings() -> dict[str, tuple[str, str, bool, str]]:
    """key: (bare name, default, secret, readers)"""
    text = (ROOT / "src/base/settings.def").read_text()
    found = {m[1]: (m[2], m[3], m[4] == "true", m[5]) for m in SETTING.finditer(text)}
    assert len(found) == len(re.findall(r"^HEADRACE_SETTING\(\"", text, re.M)), "every row of settings.def was understood"
    return found


def environment_names() -> set[str]:
    names = set()
    for key, (bare, _, secret, _) in settings().items():
        own = {"HEADRACE_" + key.upper().replace(".", "__")} | ({bare} if bare else set())
        names |= own | ({name + "_FILE" for name in own} if secret else set())
    return names


def in_documents(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(name, place)"""
    for path, text in documents().items():
        for match in pattern.finditer(text):
            yield match[match.lastindex or 0], f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"


def test_every_setting_is_read_or_said_to_have_no_effect() -> None:
    source = "\n".join(
        p.read_text() for p in tracked() if p.suffix in (".cc", ".h") and "tests" not in p.parts and (ROOT / "src") in p.parents
    )
    unread = [key for key, (_, _, _, readers) in settings().items() if readers and f'"{key}"' not in source]
    assert unread == [], "a user who sets these changes nothing"
    read = [key for key, (_, _, _, readers) in settings().items() if not readers and f'"{key}"' in source]
    assert read == [], "these have an effect: name who reads them"


def test_reference_pages_are_as_the_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/reference_pages.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_environment_names_in_documents_exist() -> None:
    known = environment_names() | set(OURS.findall(code()))
    unknown = [f"{place}: {name}" for name, place in in_documents(OURS) if name.rstrip("_") not in known]
    assert unknown == []


def test_environment_of_our_services_exists() -> None:
    compose = (ROOT / "deployment/docker-compose.yml").read_text()
    ours = compose[: compose.index("\n  postgres:")]
    block = re.findall(r"^ {4,6}([A-Z][A-Z0-9_]+): ", ours, re.M)
    assert block, "the services have an environment"
    assert [name for name in block if name not in environment_names()] == []


def test_error_codes_in_documents_exist() -> None:
    known = set(re.findall(r"^HEADRACE_ERROR\((\d+)", (ROOT / "src/base/error_codes.def").read_text(), re.M))
    assert [f"{place}: HR{code}" for code, place in in_documents(re.compile(r"\bHR(\d{4})\b")) if code not in known] == []


def test_metrics_in_documents_exist() -> None:
    named = list(in_documents(re.compile(r"`(headrace_[a-z_]+)")))
    assert [f"{place}: {name}" for name, place in named if f'"{name}"' not in code() and f"{name}(" not in code()] == []


def test_commands_in_documents_exist() -> None:
    known = set(re.findall(r'add_subcommand\("([a-z]+)"', code()))
    assert {"jobmanager", "status", "doctor"} <= known
    typed = in_documents(re.compile(r"(?:`|^|\. |&& )headrace ([a-z]+)", re.M))
    assert [f"{place}: headrace {verb}" for verb, place in typed if verb not in known] == []


def test_files_that_documents_name_exist() -> None:
    links = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
    missing = []
    for path, text in documents().items():
        missing += [f"{path.relative_to(ROOT)}: {link}" for link in links.findall(text) if not (path.parent / link).exists()]
        for name in PATH.findall(text):
            made = name.startswith(("bench/results", "python/headrace/")) or name.endswith(("NAME", "TARGET"))
            if not made and not any(ROOT.glob(name.rstrip("/") + "*")):
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert missing == []


def test_ports_of_the_images_are_the_defaults() -> None:
    default = {key: value for key, (_, value, _, _) in settings().items()}
    exposed = re.findall(r"^EXPOSE (.*)", (ROOT / "deployment/docker/Dockerfile").read_text(), re.M)
    assert exposed == [
        f"{default['rest.port']} {default['jobmanager.rpc_port']} {default['metrics.port']}",
        f"{default['taskmanager.rpc_port']} {default['taskmanager.exchange_port']} {default['metrics.port']}",
    ]
    scraped = re.findall(r"port: (\d+)", (ROOT / "deployment/prometheus/prometheus.yml").read_text())
    assert scraped and set(scraped) == {default["metrics.port"]}
