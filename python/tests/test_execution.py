"""execute(): embedded against a stand-in of the binary, submitted against a small HTTP server, and the headrace command."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace import (
    CollectSink,
    EngineNotFound,
    GeneratorSource,
    JobFailed,
    JobGraph,
    StreamExecutionEnvironment,
    SubmitError,
)
from headrace.engine import find_engine

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@dataclass
class Word:
    text: str
    count: int


def python(*arguments: Any, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=30, env={**os.environ, **env}, check=False
    )


# ---- embedded ----


def test_collect_runs_the_job(engine: Path) -> None:
    env = StreamExecutionEnvironment("count")
    lines = env.from_collection(["a b", "a"])
    counts = lines.flat_map(str.split).map(lambda w: (w, 1)).key_by(lambda t: t[0]).reduce(lambda a, b: (a[0], a[1] + b[1]))
    assert counts.collect() == [("a", 1), ("b", 1), ("a", 2)]


def test_dataclasses_of_the_job_come_back_as_themselves(engine: Path) -> None:
    env = StreamExecutionEnvironment("words")
    assert env.from_collection([Word("a", 1)]).map(lambda w: Word(w.text, w.count + 1)).collect() == [Word("a", 2)]


def test_rows_come_as_they_are_made_and_closing_ends_the_job(engine: Path) -> None:
    rows = StreamExecutionEnvironment("n").add_source(GeneratorSource(count=100_000)).execute_and_collect()
    assert [next(rows) for _ in range(3)] == [0, 1, 2]
    process = rows._run._process
    rows.close()
    assert process.poll() is not None
    assert list(rows) == []


def test_dropped_iterator_ends_the_job(engine: Path) -> None:
    rows = StreamExecutionEnvironment("n").add_source(GeneratorSource(count=100_000)).execute_and_collect()
    process = rows._run._process
    del rows
    assert process.poll() is not None


def test_execute_gives_the_rows_of_collect_sinks(engine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = StreamExecutionEnvironment("n")
    source = env.from_collection([1, 2, 3])
    source.add_sink(CollectSink()).uid("all")
    source.print("n=")
    result = env.execute()
    assert result.collected == {"all": [1, 2, 3]} and result.status == "FINISHED"
    out, err = capfd.readouterr()
    assert out == "n=1\nn=2\nn=3\n" and err == "engine starts\n"


def test_failed_job_raises_the_engines_message(
    engine: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STUB_FAIL", 'map "parse" failed\n  hint: mind the gap')
    with pytest.raises(JobFailed) as caught:
        StreamExecutionEnvironment("n").from_collection([1, 2, 3]).collect()
    assert str(caught.value) == 'map "parse" failed\n  hint: mind the gap'
    assert "parse" not in capfd.readouterr().err


def test_engine_that_just_ends_is_a_failed_job(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_EXIT", "7")
    with pytest.raises(JobFailed, match="exit code 7"):
        StreamExecutionEnvironment("n").from_collection([bytes(2**21)]).collect()


# ---- what functions take along ----

JOB = """
import sys
sys.path.insert(0, {here!r})
from dataclasses import dataclass
from headrace import StreamExecutionEnvironment
import localtool
from localpackage.deep import twice
@dataclass
class Reading:
    value: int
THRESHOLD = 2
def local(x):
    return Reading(localtool.double(x) + THRESHOLD)
def make(n):
    def inner(r):
        return Reading(twice(r.value) + n)
    return inner
env = StreamExecutionEnvironment("local")
stream = env.from_collection([1, 2]).map(local).map(make(10)).map(lambda r: r.value if isinstance(r, Reading) else None)
stream.map(lambda x: localtool.Box(x)).map(lambda b: b.value).add_sink(__import__("headrace").CollectSink())
if __name__ == "__main__":
    env.get_job_graph().write(sys.argv[1])
"""


def test_functions_run_in_a_worker_started_elsewhere(tmp_path: Path) -> None:
    from fake_taskmanager import FakeTaskManager

    folder = tmp_path / "project"
    (folder / "localpackage").mkdir(parents=True)
    (folder / "localtool.py").write_text(
        "from dataclasses import dataclass\nSCALE = 2\ndef double(x):\n    return x * SCALE\n@dataclass\nclass Box:\n    value: int\n"
    )
    (folder / "localpackage" / "__init__.py").write_text("")
    (folder / "localpackage" / "deep.py").write_text("import localtool\ndef twice(x):\n    return localtool.double(x)\n")
    (folder / "job.py").write_text(JOB.format(here=str(folder)))
    made = python(folder / "job.py", tmp_path / "job.pkl", PYTHONPATH=str(ROOT / "python"))
    assert made.returncode == 0, made.stderr
    graph = JobGraph.from_bytes((tmp_path / "job.pkl").read_bytes()).graph
    functions = [("map", o.map.pickled) for o in graph.operators if o.WhichOneof("kind") == "map"]
    (folder / "localtool.py").unlink()
    # One worker runs all operators, and two workers a part each: the rows between them are dataclasses of the job.
    with FakeTaskManager() as tm, FakeTaskManager() as other:
        assert tm.run(tm.load(*functions), [1, 2]) == {0: [18, 22]}
        first, second = tm.load(functions[0]), other.load(*functions[1:])
        tm.start(first, [(0, [1, 2])])
        offset, length = tm._answer(0)
        assert b"\x13\x10__main__:Reading" in tm.outputs[0].read(offset, length)
        other.inputs[0].write(64, tm.outputs[0].read(offset + 8, length - 8))
        other.inputs[0].write(56, second.to_bytes(8, "little"))
        other._send(5, 0, 1, 56, length, other.inputs[0].size())
        assert other.finish() == {0: [18, 22]}


def test_interactive_and_stdin_programs_can_make_jobs(engine: Path) -> None:
    program = (
        "from headrace import StreamExecutionEnvironment\n"
        "def f(x): return x + 1\n"
        "print(StreamExecutionEnvironment('i').from_collection([1]).map(f).map(lambda x: f(x)).collect())\n"
    )
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "[3]\n", done.stderr


# ---- the job's own command line ----


def test_word_count_example_embedded_written_and_explained(engine: Path, tmp_path: Path) -> None:
    done = python(EXAMPLES / "word_count.py")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\('\w+', \d+\)", done.stdout)
    file = tmp_path / "word_count.pkl"
    written = python(EXAMPLES / "word_count.py", "--kafka", "kafka:9092", "--write", file)
    assert written.returncode == 0 and written.stdout.strip() == str(file), written.stderr
    operators = JobGraph.from_bytes(file.read_bytes()).graph.operators
    assert operators[0].source.kind == "kafka" and operators[0].source.options["bootstrap_servers"] == "kafka:9092"
    assert python(EXAMPLES / "word_count.py", "--explain").stdout.count("->") >= 4


@pytest.mark.parametrize("example", sorted(p.name for p in EXAMPLES.glob("*.py")))
def test_example_runs_embedded_without_arguments(engine: Path, example: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / example], capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False
    )
    assert done.returncode == 0 and done.stdout, done.stderr


def test_flag_without_value_is_an_error(engine: Path) -> None:
    done = python(EXAMPLES / "word_count.py", "--submit")
    assert done.returncode != 0 and "--submit takes a value" in done.stderr


def test_command_line_of_another_program_is_left_alone(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--submit", "nowhere:1"])
    assert StreamExecutionEnvironment("n").from_collection([1]).collect() == [1]


# ---- submit ----


class JobManager:
    """Answers POST /jobs/submit as told and keeps what came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any, bytes]] = []
        self.answer: tuple[int, bytes] = (
            200,
            json.dumps({"job_id": "a" * 32, "status": "RUNNING", "warnings": ["no checkpoints yet"]}).encode(),
        )
        manager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                manager.requests.append((self.path, self.headers, body))
                self.send_response(manager.answer[0])
                self.end_headers()
                self.wfile.write(manager.answer[1])

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def job_manager() -> Iterator[JobManager]:
    manager = JobManager()
    yield manager
    manager.close()


def simple_job() -> StreamExecutionEnvironment:
    env = StreamExecutionEnvironment("Word Count/1")
    env.from_collection([1]).print()
    return env


def test_submit_posts_the_job_file(
    job_manager: JobManager, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_REST__TOKEN", "s3cret")
    env = simple_job()
    result = env.execute(submit=job_manager.address)
    assert (result.job_id, result.status) == ("a" * 32, "RUNNING")
    ((path, headers, body),) = job_manager.requests
    assert path == "/jobs/submit" and headers["Authorization"] == "Bearer s3cret" and headers["Idempotency-Key"]
    boundary = headers["Content-Type"].removeprefix("multipart/form-data; boundary=").encode()
    head, _, content = (
        body.removeprefix(b"--" + boundary + b"\r\n").removesuffix(b"\r\n--" + boundary + b"--\r\n").partition(b"\r\n\r\n")
    )
    assert b'name="job_file"; filename="Word_Count_1.pkl"' in head
    assert JobGraph.from_bytes(content) == env.get_job_graph()
    out, err = capsys.readouterr()
    assert out == "a" * 32 + "\n"
    assert "warning: no checkpoints yet" in err and f"next: headrace status {'a' * 32} -m {job_manager.address}" in err


def test_submit_from_the_jobs_command_line_and_environment(job_manager: JobManager) -> None:
    done = python(EXAMPLES / "word_count.py", f"--submit={job_manager.address}", PYTHONPATH=str(ROOT / "python"))
    assert done.returncode == 0 and done.stdout == "a" * 32 + "\n", done.stderr
    done = python(EXAMPLES / "word_count.py", HEADRACE_SUBMIT=job_manager.address, PYTHONPATH=str(ROOT / "python"))
    assert done.returncode == 0 and len(job_manager.requests) == 2, done.stderr


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, b'{"title":"Bad job","detail":"topic lines does not exist","code":"HR1042"}', "topic lines does not exist"),
        (409, b'{"detail":"need 13 slots, 12 free"}', "need 13 slots, 12 free"),
        (401, b"", "HEADRACE_REST__TOKEN"),
        (500, b"<html>", "<html>"),
        (200, b"hello", "no JobManager answered"),
        (200, b"[]", "no job_id"),
    ],
)
def test_refused_job_says_why(job_manager: JobManager, status: int, body: bytes, text: str) -> None:
    job_manager.answer = (status, body)
    with pytest.raises(SubmitError, match=re.escape(text)) as caught:
        simple_job().execute(submit=job_manager.address)
    assert caught.value.status == (status if status != 200 else 0)


def test_unreachable_job_manager_says_so() -> None:
    with pytest.raises(SubmitError, match="no JobManager answered at http://127.0.0.1:9"):
        simple_job().execute(submit="127.0.0.1:9")
    with pytest.raises(SubmitError, match="looks like host:8081"):
        simple_job().execute(submit="ftp://x")


# ---- the command ----


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_command_becomes_the_binary(tmp_path: Path) -> None:
    binary = script(tmp_path / "fake", '#!/bin/sh\necho "got $*"\nexit 3\n')
    done = python("-m", "headrace._cli", "list", "-o", "json", HEADRACE_BINARY=str(binary), PYTHONPATH=str(ROOT / "python"))
    assert (done.stdout, done.returncode) == ("got list -o json\n", 3)


def test_binary_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import headrace.engine

    package = tmp_path / "checkout" / "python" / "headrace"
    (package / "bin").mkdir(parents=True)
    monkeypatch.setattr(headrace.engine, "_PACKAGE", str(package))
    monkeypatch.delenv("HEADRACE_BINARY", raising=False)
    command, elf = tmp_path / "venv", tmp_path / "usr"
    command.mkdir()
    elf.mkdir()
    script(command / "headrace", "#!/usr/bin/python3\n")
    monkeypatch.setenv("PATH", f"{command}:{elf}")
    with pytest.raises(EngineNotFound, match=r"\./dev build"):  # never the console script itself
        find_engine()
    script(elf / "headrace", "\x7fELF")
    assert find_engine() == str(elf / "headrace")
    release = tmp_path / "checkout" / "build" / "release"
    release.mkdir(parents=True)
    script(release / "headrace", "\x7fELF")
    assert find_engine() == str(release / "headrace")
    (package / "bin" / "headrace").symlink_to(release / "headrace")
    assert find_engine() == str(package / "bin" / "headrace")
    monkeypatch.setenv("HEADRACE_BINARY", str(elf / "headrace"))
    assert find_engine() == str(elf / "headrace")
    monkeypatch.setenv("HEADRACE_BINARY", str(tmp_path / "gone"))
    with pytest.raises(EngineNotFound, match="not a program"):
        find_engine()


def test_command_without_binary_ends_with_a_hint(tmp_path: Path) -> None:
    done = python("-m", "headrace._cli", "version", HEADRACE_BINARY=str(tmp_path / "gone"), PYTHONPATH=str(ROOT / "python"))
    assert done.returncode == 1 and done.stderr.startswith("error: HEADRACE_BINARY is")
