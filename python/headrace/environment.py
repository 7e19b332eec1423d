"""The environment a job is written in, and the graph that is made of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from headrace.errors import JobError, JobTypeError, JobValueError
from headrace.location import here
from headrace.stream import DataStream, Operator, check_parallelism

if TYPE_CHECKING:
    from headrace.connectors import Source
    from headrace.execution import CollectedRows
    from headrace.job_graph import JobGraph

T = TypeVar("T")

_MAX_MS: Final = 366 * 24 * 3600 * 1000


def _milliseconds(what: str, value: int | timedelta, least: int) -> int:
    """An int is ms already; a timedelta is taken too."""
    ms = value // timedelta(milliseconds=1) if isinstance(value, timedelta) else value
    if isinstance(ms, bool) or not isinstance(ms, int):
        raise JobTypeError(f"{what} ({here()}): it takes ms as an int, or a timedelta, not {type(value).__name__}")
    if ms < least:
        raise JobValueError(f"{what} ({here()}): {ms} ms is too short; at least {least} ms")
    if ms > _MAX_MS:
        raise JobValueError(f"{what} ({here()}): {ms} ms is too long; at most a year, {_MAX_MS} ms")
    return ms


class RestartStrategy:
    """What the engine does when an attempt of the job fails. Times are ms or timedelta."""

    def __init__(self, kind: int, **settings: int) -> None:
        self.kind, self.settings = kind, settings

    @classmethod
    def none(cls) -> RestartStrategy:
        """The first failure fails the job."""
        return cls(1)

    @classmethod
    def fixed_delay(cls, max_attempts: int, delay_ms: int | timedelta) -> RestartStrategy:
        """Up to max_attempts restarts (0: any number), delay_ms apart."""
        if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or not 0 <= max_attempts < 2**32:
            raise JobValueError(
                f"RestartStrategy.fixed_delay ({here()}): max_attempts is {max_attempts!r}; it takes an int, 0 or more"
            )
        return cls(2, max_attempts=max_attempts, delay_ms=_milliseconds("RestartStrategy.fixed_delay", delay_ms, 0))

    @classmethod
    def exponential(cls, initial_delay_ms: int | timedelta, max_delay_ms: int | timedelta) -> RestartStrategy:
        """Any number of restarts; the delay doubles from initial to max while failures go on."""
        what = "RestartStrategy.exponential"
        first, longest = _milliseconds(what, initial_delay_ms, 1), _milliseconds(what, max_delay_ms, 1)
        if first > longest:
            raise JobValueError(f"{what} ({here()}): it starts with {first} ms, above its longest delay of {longest} ms")
        return cls(3, initial_delay_ms=first, max_delay_ms=longest)


class JobResult:
    """How an execute() ended. job_id: of a submitted job, else "". status: as the engine says, "FINISHED" when embedded.
    collected: rows of CollectSinks by their uid."""

    def __init__(self, job_id: str, status: str, collected: dict[str, list[Any]]) -> None:
        self.job_id, self.status, self.collected = job_id, status, collected

    def __repr__(self) -> str:
        return f"JobResult(job_id={self.job_id!r}, status={self.status!r})"


class StreamExecutionEnvironment:
    """One job: sources, streams, settings. Owned by the program that writes it; one thread. Nothing runs before execute()."""

    def __init__(self, name: str = "job") -> None:
        if not isinstance(name, str):
            raise JobTypeError(f"StreamExecutionEnvironment ({here()}): the name takes a str, not {type(name).__name__}")
        if not name.strip() or len(name) > 200 or not name.isprintable():
            raise JobValueError(f"StreamExecutionEnvironment ({here()}): the name takes 1 to 200 printable characters")
        self._name = name
        self._location = here()
        self._operators: list[Operator] = []
        self._parallelism = 0
        self._max_parallelism = 0
        self._checkpoint_interval_ms = 0
        self._restart: RestartStrategy | None = None
        self._files: list[str | os.PathLike[str]] = []
        self._requirements: list[str] = []
        self._resolved: tuple[bytes, list[str]] | None = None

    # ---- settings ----

    def set_parallelism(self, parallelism: int) -> StreamExecutionEnvironment:
        """Subtasks of every operator that sets none, 1 to 32768."""
        self._parallelism = check_parallelism(f"set_parallelism ({here()})", parallelism)
        return self

    def set_max_parallelism(self, max_parallelism: int) -> StreamExecutionEnvironment:
        """Key groups, 1 to 32768; fixed for the life of the job's state. Default 128."""
        self._max_parallelism = check_parallelism(f"set_max_parallelism ({here()})", max_parallelism)
        return self

    def enable_checkpointing(self, interval: int | timedelta) -> StreamExecutionEnvironment:
        """A checkpoint each interval, in ms (or a timedelta)."""
        self._checkpoint_interval_ms = _milliseconds("enable_checkpointing", interval, 10)
        return self

    def set_restart_strategy(self, strategy: RestartStrategy) -> StreamExecutionEnvironment:
        """See RestartStrategy; without it the cluster's default; embedded, the first failure ends the job."""
        if not isinstance(strategy, RestartStrategy):
            raise JobTypeError(f"set_restart_strategy ({here()}): it takes a RestartStrategy, not {type(strategy).__name__}")
        self._restart = strategy
        return self

    def add_files(self, *paths: str | os.PathLike[str]) -> StreamExecutionEnvironment:
        """Ships files and folders with the job. Modules and packages among them can be imported; headrace.shipped_file(name)
        gives the path of any. JobValueError if one does not exist."""
        from headrace.archives import add_search_path, collect_files

        for path in paths:
            if not isinstance(path, (str, os.PathLike)):
                raise JobTypeError(f"add_files ({here()}): it takes paths, not {type(path).__name__}")
        try:
            collect_files([*self._files, *paths])
        except JobError as error:
            raise JobValueError(f"{error} ({here()})") from None
        self._files += paths
        add_search_path(os.path.dirname(os.path.abspath(path)) for path in paths)
        return self

    def add_python_requirements(self, requirements: str | os.PathLike[str] | Iterable[str]) -> StreamExecutionEnvironment:
        """Ships packages that the job's functions import: a list of requirements as pip takes them, or the path of a requirements
        file. They are resolved here, by pip, for this Python and platform, when the graph is made; workers install nothing."""
        if isinstance(requirements, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(requirements))
            if not os.path.isfile(path):
                raise JobValueError(
                    f"add_python_requirements ({here()}): {path} is not a file; requirements themselves go in a list"
                )
            self._requirements += ["-r", path]
        else:
            if not isinstance(requirements, Iterable):
                raise JobTypeError(
                    f"add_python_requirements ({here()}): it takes a list of requirements or the path of a file of them, "
                    f"not {type(requirements).__name__}"
                )
            added = list(requirements)
            if any(not isinstance(r, str) or not r.strip() or r.startswith("-") for r in added):
                raise JobValueError(
                    f"add_python_requirements ({here()}): a requirement is text like 'requests>=2' and no option of pip"
                )
            self._requirements += added
        self._resolved = None
        return self

    # ---- the graph as it is written ----

    def _add(self, operator: Operator) -> Operator:
        self._operators.append(operator)
        return operator

    def add_source(self, source: Source[T], name: str | None = None) -> DataStream[T]:
        """The rows of a source."""
        from headrace.connectors import Source as SourceClass

        if not isinstance(source, SourceClass):
            raise JobTypeError(
                f"add_source ({here()}): it takes a source such as KafkaSource or FileSource, not {type(source).__name__}"
            )
        stream = DataStream[T](self, self._add(Operator("source", source.default_name, [], connector=source)))
        return stream if name is None else stream.name(name)

    def from_collection(self, rows: Iterable[T], row_type: Any = None) -> DataStream[T]:
        """The rows of an iterable, carried inside the job; for tests and small inputs. row_type: see CollectionSource."""
        from headrace.connectors import CollectionSource

        return self.add_source(CollectionSource(rows, row_type))

    # ---- the graph as it travels ----

    def get_job_graph(self) -> JobGraph:
        """The job as it is now, ready to pickle. JobError if names clash, a function cannot be pickled, or it is too large."""
        from headrace.graph_builder import build_job_graph

        return build_job_graph(self)

    def _own_modules(self) -> list[ModuleType]:
        """``__main__`` and the loaded modules under the job file's folder: workers cannot import them, so they go by value."""
        roots = {os.path.dirname(os.path.abspath(self._location.file)) if os.path.exists(self._location.file) else os.getcwd()}
        own = []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name == "__main__" or (
                isinstance(file, str) and name.partition(".")[0] != "headrace" and _is_own_file(os.path.abspath(file), roots)
            ):
                own.append(module)
        return own

    # ---- running ----

    def execute(self, *, submit: str | None = None) -> JobResult:
        """Runs the job and waits for its end: embedded, in a headrace process on this machine. JobFailed if the job fails.

        submit="host:8081" hands it to a JobManager instead and returns when that has accepted it (SubmitError if not). The job's
        own command line can say so too: ``--submit HOST:PORT``, ``--write FILE.pkl`` (writes the job file), ``--explain`` (prints
        the plan); likewise the variable HEADRACE_SUBMIT.
        """
        from headrace.execution import execute

        return execute(self, submit)

    def __reduce__(self) -> Any:
        raise TypeError("it uses the environment or a stream, which stay in the program that writes the job")

    def _execute_and_collect(self, sink: Operator) -> CollectedRows[Any]:
        from headrace.execution import execute_and_collect

        return execute_and_collect(self, sink)


def _is_own_file(file: str, roots: set[str]) -> bool:
    if not any(file.startswith(root.rstrip(os.sep) + os.sep) for root in roots):
        return False
    library = os.path.dirname(os.__file__)
    return not ("site-packages" in file or "dist-packages" in file or file.startswith(library + os.sep))
