"""From the environment's operators to plan.JobGraph: uids, pickled functions, archives."""

from __future__ import annotations

import hashlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headrace.errors import JobError, JobTypeError, JobValueError

if TYPE_CHECKING:
    from headrace.connectors import Connector
    from headrace.environment import StreamExecutionEnvironment
    from headrace.job_graph import JobGraph
    from headrace.stream import Operator


def build_job_graph(env: StreamExecutionEnvironment) -> JobGraph:
    from headrace import __version__
    from headrace._proto import plan_pb2
    from headrace.job_graph import FORMAT_VERSION, JobGraph

    if not env._operators:
        raise JobValueError(f"job {env._name!r} ({env._location}) has no operators: start with env.add_source(…)")
    graph = plan_pb2.JobGraph(format_version=FORMAT_VERSION, job_name=env._name)
    _fill_settings(graph.settings, env)
    modules = env._own_modules()
    _register_own_types(modules)
    uids = assign_uids(env._operators)
    for operator in env._operators:
        _fill_operator(graph.operators.add(), operator, uids, modules)
    _fill_archives(graph, env)
    has_functions = any(_runs_python(message) for message in graph.operators)
    header = plan_pb2.JobFileHeader(
        format_version=FORMAT_VERSION,
        python_version=f"{sys.version_info[0]}.{sys.version_info[1]}" if has_functions else "",
        headrace_version=__version__,
        packages=_loaded_packages() if has_functions else [],
    )
    return JobGraph.from_parts(header.SerializeToString(deterministic=True), graph.SerializeToString(deterministic=True))


def _runs_python(message: Any) -> bool:
    """Whether an operator as it travels has Python functions in it."""
    kind = message.WhichOneof("kind")
    if kind in ("map", "filter", "flat_map", "key_by", "reduce", "process"):
        return True
    if kind == "event_time":
        return bool(message.event_time.function.pickled or message.event_time.generator.pickled)
    if kind == "aggregate":
        return any(call.user.pickled for call in message.aggregate.calls)
    if kind == "where":
        return _calls_python(message.where)
    return kind == "select" and any(_calls_python(column.expression) for column in message.select.columns)


def _calls_python(expression: Any) -> bool:
    kind = expression.WhichOneof("kind")
    if kind == "call":
        return any(_calls_python(argument) for argument in expression.call.arguments)
    return kind == "user" or (kind == "cast" and _calls_python(expression.cast.argument))


def _fill_settings(settings: Any, env: StreamExecutionEnvironment) -> None:
    settings.parallelism = env._parallelism
    settings.max_parallelism = env._max_parallelism
    settings.checkpoint_interval_ms = env._checkpoint_interval_ms
    settings.value_encoding_version = 1
    if env._restart is not None:
        settings.restart.kind = env._restart.kind
        for name, value in env._restart.settings.items():
            setattr(settings.restart, name, value)


# ---- uids ----


def assign_uids(operators: list[Operator]) -> dict[Operator, str]:
    """A uid for each operator: its own if set, else from its name if named, else from kind, upstream uids and a counter.

    The same program gives the same uids, and an operator added elsewhere shifts none. JobValueError when two operators meet.
    """
    uids: dict[Operator, str] = {}
    owners: dict[str, Operator] = {}
    seen: dict[str, int] = {}
    for operator in operators:
        uid = operator.explicit_uid
        if uid is None and operator.explicit_name is not None:
            uid = _hash("name", operator.explicit_name)
        elif uid is None:
            place = _hash(
                "place", operator.kind, operator.connector.kind if operator.connector else "", *_upstream(operator, uids)
            )
            seen[place] = seen.get(place, 0) + 1
            uid = _hash(place, str(seen[place]))
        other = owners.setdefault(uid, operator)
        if other is not operator:
            what = f"have the uid {uid!r}" if operator.explicit_uid else "have the same name"
            raise JobValueError(f"{other.describe()} and {operator.describe()} {what}: change one, or set uid() on one")
        uids[operator] = uid
    return uids


def _upstream(operator: Operator, uids: dict[Operator, str]) -> list[str]:
    return [uids[producer] + (f"/{tag}" if tag else "") for producer, _, tag in operator.inputs]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


# ---- operators ----


def _fill_operator(out: Any, operator: Operator, uids: dict[Operator, str], modules: list[ModuleType]) -> None:
    out.uid = uids[operator]
    out.name = operator.name
    out.parallelism = operator.parallelism
    out.uid_is_explicit = operator.explicit_uid is not None
    for producer, partitioning, tag in operator.inputs:
        out.inputs.add(uid=uids[producer], partitioning=partitioning, tag=tag)
    at = operator.location
    out.location.file, out.location.line, out.location.code = _clean(at.file), at.line, _clean(at.code)
    if operator.spec is not None:
        _fill_spec(out, operator, modules)
    elif operator.kind == "union":
        out.union.SetInParent()
    elif operator.connector is not None:
        assert operator.connector is not None
        fill_connector(out.source if operator.kind == "source" else out.sink, operator.connector, operator.describe())
    else:
        function = getattr(out, operator.kind)
        function.pickled, function.display_name = _pickle(operator, modules)
        function.in_flight = operator.in_flight
        if operator.returns is not None:
            operator.returns.fill(function.returns)


def _fill_spec(out: Any, operator: Operator, modules: list[ModuleType]) -> None:
    def pickle(function: Any) -> tuple[bytes, str]:
        return _pickle_of(operator, function, modules)

    user_functions = sys.modules.get("headrace.user_functions")
    if user_functions is not None:
        user_functions.pickling_with(pickle)
    operator.spec.fill(out, pickle)


def _clean(text: str) -> str:
    """Without lone surrogates, which protobuf refuses."""
    return text.encode("utf-8", "replace").decode()


def fill_connector(out: Any, connector: Connector, who: str) -> None:
    """Writes it into a plan_pb2.Connector; `who` stands before what is wrong with it."""
    out.kind = connector.kind
    for name, value in connector.options.items():
        try:
            out.options[name] = value
        except (ValueError, TypeError) as error:
            raise JobValueError(f"{who}: option {name} is {value!r}: {error}") from error
    out.bounded = bool(getattr(connector, "bounded", False))
    if connector.row_type is not None:
        connector.row_type.fill(out.schema)
    try:
        out.payload = connector.payload()
    except (ValueError, TypeError) as error:
        raise JobTypeError(f"{who}: its rows cannot be encoded: {error}") from error


def _pickle(operator: Operator, modules: list[ModuleType]) -> tuple[bytes, str]:
    assert operator.function is not None
    return _pickle_of(operator, operator.function, modules)


def _pickle_of(operator: Operator, function: Any, modules: list[ModuleType]) -> tuple[bytes, str]:
    from headrace.functions import describe, pack_function

    try:
        return pack_function(function, modules), describe(function)[:200]
    except Exception as error:  # whatever __reduce__ of anything the function refers to raises
        raise JobTypeError(
            f"{operator.describe()}: its function cannot be pickled: {error}. "
            "Open clients, locks and files inside the function, not around it"
        ) from error


def _register_own_types(modules: list[ModuleType]) -> None:
    """Rows that are dataclasses of the job travel by name, out with a collection and back with collect()."""
    from headrace.codec import register_type

    for module in modules:
        for item in list(vars(module).values()):
            if isinstance(item, type) and item.__module__ == module.__name__ and "__dataclass_fields__" in vars(item):
                register_type(item)


# ---- what goes along ----


def _fill_archives(graph: Any, env: StreamExecutionEnvironment) -> None:
    from headrace import archives

    packed = []
    if env._files:
        try:
            packed.append(("files", archives.pack(archives.collect_files(env._files))))
        except OSError as error:
            raise JobError(f"add_files: {error}") from error
    if env._requirements:
        if env._resolved is None:
            env._resolved = archives.resolve_requirements(env._requirements)
        packed.append(("requirements", env._resolved[0]))
        graph.python_requirements.extend(env._resolved[1])
    for name, content in packed:
        graph.archives.add(name=name, sha256=hashlib.sha256(content).digest(), content=content, python_path=True)


def _loaded_packages() -> list[str]:
    """Versions of the installed packages that the program has loaded; informative."""
    found = set()
    for name, module in list(sys.modules.items()):
        version = getattr(module, "__version__", None)
        if "." not in name and isinstance(version, str) and "-packages" in (getattr(module, "__file__", None) or ""):
            found.add(f"{name}=={version}")
    return sorted(found)
