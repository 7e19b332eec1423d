"""Fetches Flink (the PyPI package holds a whole distribution), its Kafka connector and what the harness adds, compiled; once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = HERE.parents[2] / "tools" / "versions.env"


@dataclass(frozen=True)
class Flink:
    """home: the distribution. python: of a venv that holds it. jars: everything on the class path of a process."""

    version: str
    home: Path
    python: Path
    jars: Path


def versions() -> dict[str, str]:
    lines = (line.partition("=") for line in VERSIONS.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def install() -> Flink:
    """Takes what is there; the first time about two minutes and 600 MB, with a line a step."""
    pins = versions()
    version, connector = pins["FLINK_VERSION"], pins["FLINK_KAFKA_CONNECTOR_VERSION"]
    cache = Path(
        os.environ.get("HEADRACE_BENCH_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"
    )
    folder = cache / f"flink-{version}"
    python = folder / "venv" / "bin" / "python"
    _once(folder / "venv.complete", f"Flink {version} from PyPI (some 500 MB)", lambda: _venv(folder / "venv", version))
    _once(
        folder / "kafka.complete", f"Flink's Kafka connector {connector}", lambda: _connector(folder / "kafka", connector, pins)
    )
    home = Path(
        _output([str(python), "-c", "import importlib.util as u; print(u.find_spec('pyflink').submodule_search_locations[0])"])
    )
    own = sorted((HERE / "java").rglob("*.java"))
    stamp = hashlib.sha256(b"".join(source.read_bytes() for source in own)).hexdigest()[:16]
    jars = folder / f"jars-{stamp}"
    _once(folder / f"jars-{stamp}.complete", "compiling the harness", lambda: _jars(jars, home, folder / "kafka", own))
    return Flink(version, home, python, jars)


def _once(mark: Path, what: str, step: Callable[[], None]) -> None:
    if mark.exists():
        return
    print(f"bench: {what}", file=sys.stderr, flush=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    step()
    mark.touch()


def _run(command: list[str], hint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise SystemExit(f"bench: {Path(command[0]).name} failed: {last}\nHint: {hint}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _venv(folder: Path, version: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], "apt-get install python3-venv")
    os.environ.setdefault("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
    _run([str(folder / "bin" / "pip"), "install", "-q", f"apache-flink=={version}"], "check that PyPI can be reached")


def _connector(folder: Path, version: str, pins: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>flink</artifactId><version>1</version>"
        "<packaging>pom</packaging><dependencies><dependency><groupId>org.apache.flink</groupId>"
        f"<artifactId>flink-connector-kafka</artifactId><version>{version}</version></dependency></dependencies></project>"
    )
    plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{pins['MAVEN_DEPENDENCY_PLUGIN_VERSION']}:copy-dependencies"
    command = ["mvn", "-B", "-q", "-f", str(folder / "pom.xml"), plugin, f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    _run(command, "check that Maven Central can be reached")


def _jars(folder: Path, home: Path, kafka: Path, sources: list[Path]) -> None:
    """One folder of links: the distribution, the connector with its client, the harness."""
    if shutil.which("javac") is None:
        raise SystemExit("bench: javac is missing. Hint: apt-get install openjdk-17-jdk-headless")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wanted = [*(home / "lib").glob("*.jar"), *(home / "opt").glob("flink-python-*.jar")]
    wanted += [jar for stem in ("flink-connector-kafka", "kafka-clients") for jar in kafka.glob(f"{stem}-*.jar")]
    for jar in wanted:
        (folder / jar.name).symlink_to(jar)
    classes = folder / "classes"
    shutil.copytree(HERE / "java" / "META-INF", classes / "META-INF")
    command = ["javac", "--release", "17", "-cp", f"{folder}/*", "-d", str(classes), *map(str, sources)]
    _run(command, "the harness is made for the Flink of tools/versions.env")
    _run(["jar", "--create", "--file", str(folder / "harness.jar"), "-C", str(classes), "."], "install a whole JDK 17")
    shutil.rmtree(classes)
