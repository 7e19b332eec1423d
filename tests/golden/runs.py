"""Runs golden cases embedded: many of them as one job, and again each alone when that job fails."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import headrace
import records
from cases import BadCase, Case, Expected
from headrace.engine import EmbeddedRun
from headrace.graph_builder import assign_uids, build_job_graph
from headrace.native_functions import include_dir
from rows import compare, input_rows, row_type

_MOST_CASES = 12
_FILES = tempfile.TemporaryDirectory(prefix="headrace-golden-")
_PUBLIC = {name: getattr(headrace, name) for name in headrace.__all__}


_numbers = itertools.count()


def file_with(content: str | bytes) -> str:
    """The path of a new file that holds `content`; removed when the tests end."""
    path = os.path.join(_FILES.name, str(next(_numbers)))
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def folder_with(*contents: str | bytes) -> str:
    """The path of a new folder with a file for each of `contents`; removed when the tests end."""
    path = os.path.join(_FILES.name, str(next(_numbers)))
    os.mkdir(path)
    for number, content in enumerate(contents):
        os.rename(file_with(content), os.path.join(path, f"{number:03}"))
    return path


_BUILDING = threading.Lock()


@functools.cache
def native_libraries() -> str:
    """A folder with the native functions of the examples and of the cases, built as their users do: by the compiler and the headers alone."""
    here = Path(__file__).resolve().parent
    folder = os.path.join(_FILES.name, "native")
    os.makedirs(folder)
    builds = []
    for source in sorted([*(here / "native").glob("*.cc"), *(here.parents[1] / "examples/native").glob("*.cc")]):
        target = f"{folder}/lib{source.stem}.so"
        flags = ["-std=c++17", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{include_dir()}"]
        builds.append(subprocess.Popen([os.environ.get("CXX", "c++"), *flags, str(source), "-o", target]))
    if any(build.wait() for build in builds):
        raise BadCase("a library of native functions was not built; the compiler says why")
    return folder


def settings(cases: Sequence[Case], way: Way) -> dict[str, str]:
    """What the engine is started with. Only cases that name native functions may load them; "no_libraries" in a job keeps them away."""
    # Cases run in several threads, and the first of them builds the libraries.
    natives = any("native(" in case.job and "no_libraries" not in case.job for case in cases)
    given = {"HEADRACE_DEBUG__CUT_BATCHES": str(way.seed)}
    if natives:
        with _BUILDING:
            given["HEADRACE_TASKMANAGER__NATIVE_LIBRARIES"] = native_libraries()
    return given


@dataclass(frozen=True)
class Way:
    """How a case is run: parallelism, and the seed by which batches are cut (0: they stay whole)."""

    parallelism: int
    seed: int

    def __str__(self) -> str:
        return f"parallelism {self.parallelism}, " + (f"batches cut by seed {self.seed}" if self.seed else "batches whole")


def ways(seed: int) -> list[Way]:
    """The ways that every case is run; seeds of the cuts follow from `seed`."""
    return [Way(1, 0), Way(4, 0), Way(1, seed), Way(4, seed + 1)]


def write_job(case: Case, env: headrace.StreamExecutionEnvironment, way: Way) -> dict[str, Any]:
    """Adds the case to the environment; gives its result streams, "" for `out` and the tags for side outputs."""
    scope: dict[str, Any] = {
        **_PUBLIC,
        **records.SCOPE,
        "__name__": "__main__",
        "env": env,
        "file_with": file_with,
        "folder_with": folder_with,
    }
    for table in case.inputs:
        source = headrace.CollectionSource(input_rows(table), row_type(table))
        stream = env.add_source(source)
        # Without event time no order counts: rows start in all subtasks.
        unordered = "with_watermarks" not in case.job and not (case.expected and case.expected.ordered)
        scope[table.name] = (
            stream.rebalance().filter(headrace.lit(True)) if unordered and way.seed and way.parallelism > 1 else stream
        )
    exec(compile("\n" * (case.job_line - 1) + case.job, str(case.file), "exec"), scope)
    if not isinstance(scope.get("out"), headrace.DataStream):
        raise BadCase(f"{case.file}:{case.job_line}: the job leaves no stream in `out`")
    return {"": scope["out"], **{tag: scope["out"].side_output(tag) for tag in case.sides}}


def run(cases: Sequence[Case], way: Way) -> list[dict[str, list[Any]]]:
    """Runs cases as one job: for each the rows by side output, "" the main one. Raises what building or running it raises."""
    env = headrace.StreamExecutionEnvironment("golden").set_parallelism(way.parallelism)
    sinks = [
        {tag: stream.add_sink(headrace.CollectSink())._operator for tag, stream in write_job(case, env, way).items()}
        for case in cases
    ]
    uids = assign_uids(env._operators)
    collected: dict[str, list[Any]] = {}
    run = EmbeddedRun(build_job_graph(env).to_pickle(), settings(cases, way))
    try:
        for uid, rows in run.frames():
            collected.setdefault(uid, []).extend(rows)
    finally:
        run.close()
    return [{tag: collected.get(uids[sink], []) for tag, sink in outputs.items()} for outputs in sinks]


def _check_warnings(case: Case, way: Way) -> str:
    """The job's words while it runs. A case without rows need not end: it is ended when all has been said."""
    env = headrace.StreamExecutionEnvironment("golden").set_parallelism(way.parallelism)
    for stream in write_job(case, env, way).values():
        stream.add_sink(headrace.CollectSink())
    run = EmbeddedRun(build_job_graph(env).to_pickle(), {"HEADRACE_DEBUG__CUT_BATCHES": str(way.seed)})
    try:
        missing = [text for text in case.warnings if not run.says(text, timeout=30)]
    finally:
        run.close()
    return "" if not missing else f"{case}, {way}: it does not warn {missing[0]!r}; it says:\n  {run.said()}"


def _check_rows(case: Case, way: Way, got: dict[str, list[Any]]) -> str:
    expected: dict[str, Expected] = dict(case.sides)
    if case.expected is not None:
        expected[""] = case.expected
    problems = []
    for tag, rows in expected.items():
        found = "" if rows.parallelism not in (0, way.parallelism) else compare(rows, got[tag])
        if found:
            problems.append(f"{case}, {way}{f', side output {tag!r}' if tag else ''}:\n{found}")
    return "\n".join(problems)


def _check_error(case: Case, way: Way) -> str:
    try:
        run([case], way)
    except (headrace.JobError, headrace.JobFailed) as error:
        wanted = [text for text in case.errors if text not in str(error)]
        return "" if not wanted else f"{case}, {way}: the error lacks {wanted[0]!r}; it is:\n  {error}"
    return f"{case}, {way}: it must fail with {case.errors[0]!r}, but it ran"


def _check_alone(case: Case, way: Way) -> str:
    if case.errors:
        return _check_error(case, way)
    if case.warnings:
        found = _check_warnings(case, way)
        if found or (case.expected is None and not case.sides):
            return found
    try:
        return _check_rows(case, way, run([case], way)[0])
    except BadCase as error:
        return str(error)
    except Exception as error:  # whatever a job raises while it is built
        return f"{case}, {way}: {type(error).__name__}: {error}"


def _check_together(cases: Sequence[Case], way: Way) -> dict[int, str]:
    if len(cases) > 1:
        try:
            got = run(cases, way)
        except Exception:  # one of them is the reason: alone each says so itself
            pass
        else:
            return {id(case): _check_rows(case, way, rows) for case, rows in zip(cases, got)}
    return {id(case): _check_alone(case, way) for case in cases}


def check(cases: Sequence[Case], seed: int) -> dict[int, str]:
    """What is wrong with each case, by id(case); an empty text where nothing is."""
    alone = [[case] for case in cases if case.errors or case.warnings or "env." in case.job]
    together = [case for case in cases if not (case.errors or case.warnings or "env." in case.job)]
    groups = [together[i : i + _MOST_CASES] for i in range(0, len(together), _MOST_CASES)] + alone
    problems: dict[int, str] = {id(case): "" for case in cases}
    # Refused jobs, and what is said when a job is submitted, end before any batch is made: the two ways without cuts say it all.
    refused = [bool(group[0].errors or (group[0].expected is None and not group[0].sides)) for group in groups]
    todo = [(group, way) for group, early in zip(groups, refused) for way in ways(seed) if not (early and way.seed)]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for found in pool.map(lambda work: _check_together(*work), todo):
            for case, text in found.items():
                problems[case] += text + ("\n" if text else "")
    return problems
