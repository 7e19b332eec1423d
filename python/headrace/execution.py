"""What env.execute() does: run embedded, submit, write the job file, or explain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.engine import EmbeddedRun, find_engine
from headrace.environment import JobResult
from headrace.errors import JobError, JobFailed, JobTypeError, JobValueError
from headrace.location import here

if TYPE_CHECKING:
    from headrace.environment import StreamExecutionEnvironment
    from headrace.stream import Operator

T = TypeVar("T")


class _Request:
    """What the job's own command line and environment ask of execute()."""

    def __init__(self, env: StreamExecutionEnvironment) -> None:
        self.submit: str | None = os.environ.get("HEADRACE_SUBMIT") or None
        self.write: str | None = None
        self.explain = False
        main_file = getattr(sys.modules.get("__main__"), "__file__", None)
        if main_file is None or not _same_file(main_file, env._location.file):
            return  # the command line belongs to another program
        arguments = iter(sys.argv[1:])
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if name in ("--submit", "--write"):
                value = value if equals else next(arguments, "")
                if not value or value.startswith("--"):
                    raise JobValueError(f"{name} takes a value: {'HOST:PORT' if name == '--submit' else 'FILE.pkl'}")
                setattr(self, name[2:], value)
            elif argument == "--explain":
                self.explain = True


def _same_file(a: str, b: str) -> bool:
    return os.path.abspath(a) == os.path.abspath(b)


def execute(env: StreamExecutionEnvironment, submit: str | None) -> JobResult:
    """What StreamExecutionEnvironment.execute() says."""
    if submit is not None and not isinstance(submit, str):
        raise JobTypeError(f"execute ({here()}): submit takes a str like 'host:8081', not {type(submit).__name__}")
    request = _Request(env)
    graph = env.get_job_graph()
    if request.write and submit is None:
        graph.write(request.write)
        print(request.write)
        print(f"next: curl -F job_file=@{request.write} localhost:8081/jobs/submit", file=sys.stderr)
        return JobResult("", "WRITTEN", {})
    if request.explain and submit is None:
        return _explain(graph.to_pickle())
    target = submit or request.submit
    if target is not None:
        from headrace.submit import submit_job

        return submit_job(target, graph)
    run = EmbeddedRun(graph.to_pickle())
    collected: dict[str, list[Any]] = {}
    try:
        for uid, rows in run.frames():
            collected.setdefault(uid, []).extend(rows)
    finally:
        run.close()
    return JobResult("", "FINISHED", collected)


def _explain(job_file: bytes) -> JobResult:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".pkl") as file:
        file.write(job_file)
        file.flush()
        done = subprocess.run([find_engine(), "explain", file.name], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise JobFailed(done.stderr.strip().removeprefix("error:").strip())
    return JobResult("", "EXPLAINED", {})


class CollectedRows(Iterator[T]):
    """Rows of one sink of an embedded run, as they come. close(), the end of a with block, or dropping it ends the job."""

    def __init__(self, run: EmbeddedRun, uid: str) -> None:
        self._run = run
        self._rows = (row for frame_uid, rows in run.frames() if frame_uid == uid for row in rows)

    def __next__(self) -> T:
        try:
            row: T = next(self._rows)
        except BaseException:
            self.close()
            raise
        return row

    def close(self) -> None:
        self._rows.close()
        self._run.close()

    def __enter__(self) -> CollectedRows[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def execute_and_collect(env: StreamExecutionEnvironment, sink: Operator) -> CollectedRows[Any]:
    """The rows of one sink as they come. The job starts now, not at the first next()."""
    from headrace.graph_builder import assign_uids

    request = _Request(env)
    if request.submit or request.write or request.explain:
        raise JobError(
            f"{sink.describe()}: rows are collected from embedded runs only; write to a sink such as KafkaSink to submit"
        )
    wanted = assign_uids(env._operators)[sink]
    return CollectedRows(EmbeddedRun(env.get_job_graph().to_pickle()), wanted)
