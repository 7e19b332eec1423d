"""Headrace: write stream-processing jobs in Python.

    from headrace import KafkaSink, KafkaSource, StreamExecutionEnvironment

    env = StreamExecutionEnvironment("WordCount")
    lines = env.add_source(KafkaSource(topic="lines", bootstrap_servers="kafka:9092", group_id="wc"))
    counts = lines.flat_map(str.split).map(lambda w: (w, 1)).key_by(lambda t: t[0]).reduce(lambda a, b: (a[0], a[1] + b[1]))
    counts.add_sink(KafkaSink(topic="counts", bootstrap_servers="kafka:9092"))
    env.execute()

Names load when first used, so that ``import headrace`` costs next to nothing: workers and the command line start with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headrace.archives import shipped_file
    from headrace.connectors import (
        BlackholeSink,
        CollectionSource,
        CollectSink,
        FileSink,
        FileSource,
        GeneratorSource,
        KafkaSink,
        KafkaSinkOperator,
        KafkaSource,
        KafkaSourceOperator,
        PrintSink,
        Sink,
        Source,
    )
    from headrace.environment import JobResult, RestartStrategy, StreamExecutionEnvironment
    from headrace.errors import EngineNotFound, JobError, JobFailed, SubmitError
    from headrace.job_graph import JobGraph
    from headrace.stream import DataStream, DataStreamSink, KeyedStream

_HOME = {
    "archives": ("shipped_file",),
    "connectors": (
        "BlackholeSink", "CollectionSource", "CollectSink", "FileSink", "FileSource", "GeneratorSource", "KafkaSink",
        "KafkaSinkOperator", "KafkaSource", "KafkaSourceOperator", "PrintSink", "Sink", "Source",
    ),
    "environment": ("JobResult", "RestartStrategy", "StreamExecutionEnvironment"),
    "errors": ("EngineNotFound", "JobError", "JobFailed", "SubmitError"),
    "job_graph": ("JobGraph",),
    "stream": ("DataStream", "DataStreamSink", "KeyedStream"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "BlackholeSink", "CollectSink", "CollectionSource", "DataStream", "DataStreamSink", "EngineNotFound", "FileSink", "FileSource",
    "GeneratorSource", "JobError", "JobFailed", "JobGraph", "JobResult", "KafkaSink", "KafkaSinkOperator", "KafkaSource",
    "KafkaSourceOperator", "KeyedStream", "PrintSink", "RestartStrategy", "Sink", "Source", "StreamExecutionEnvironment", "SubmitError",
    "__version__", "shipped_file",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"headrace.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
