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
        dead_letter,
    )
    from headrace.element_states import ListState, MapState
    from headrace.environment import JobResult, RestartStrategy, StreamExecutionEnvironment
    from headrace.errors import EngineNotFound, JobError, JobFailed, SubmitError
    from headrace.job_graph import JobGraph
    from headrace.native_functions import NativeFunction, native
    from headrace.process import (
        BroadcastProcessFunction,
        CoProcessFunction,
        KeyedProcessFunction,
        KeyedProcessOperator,
        OutputTag,
    )
    from headrace.state import AggregateFunction, AggregatingState, ReducingState, StateTtl, ValueState
    from headrace.stream import DataStream, DataStreamSink, KeyedStream
    from headrace.tables import LookupCache, PostgresTable
    from headrace.user_functions import udf
    from headrace.window_process import ProcessWindowFunction, WindowContext
    from headrace.window_triggers import TriggerResult, TriggerWindow, WindowTrigger

_HOME = {
    "accumulators": ("accumulator",),
    "aggregates": ("avg", "collect", "count", "count_distinct", "first", "last", "max", "min", "sum", "top"),
    "archives": ("shipped_file",),
    "connectors": (
        "BlackholeSink", "CollectionSource", "CollectSink", "FileSink", "FileSource", "GeneratorSource", "KafkaSink",
        "KafkaSinkOperator", "KafkaSource", "KafkaSourceOperator", "NexmarkSource", "PrintSink", "Sink", "Source", "dead_letter",
    ),
    "element_states": ("ListState", "MapState"),
    "environment": ("JobResult", "RestartStrategy", "StreamExecutionEnvironment"),
    "errors": ("EngineNotFound", "JobError", "JobFailed", "SubmitError"),
    "expressions": (
        "Expression", "coalesce", "col", "concat", "from_epoch_ms", "greatest", "hash_of", "if_", "least", "lit", "struct", "when",
    ),
    "job_graph": ("JobGraph",),
    "grouped_stream": ("GroupedStream", "WindowedStream"),
    "native_functions": ("NativeFunction", "native"),
    "process": ("BroadcastProcessFunction", "CoProcessFunction", "KeyedProcessFunction", "KeyedProcessOperator", "OutputTag"),
    "state": (
        "AggregateFunction", "AggregatingState", "ReducingState", "StateTtl", "ValueState",
    ),
    "stream": ("DataStream", "DataStreamSink", "KeyedStream"),
    "tables": ("LookupCache", "PostgresTable"),
    "user_functions": ("udf",),
    "windows": (
        "CountWindow", "CumulateWindow", "GlobalWindow", "SessionWindow", "SlidingWindow", "Trigger",
        "TumblingWindow", "Window",
    ),
    "watermark_generator": ("WatermarkGenerator",),
    "watermarks": ("WatermarkStrategies",),
    "window_process": ("ProcessWindowFunction", "WindowContext"),
    "window_triggers": ("TriggerResult", "TriggerWindow", "WindowTrigger"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AggregateFunction", "AggregatingState", "BlackholeSink", "BroadcastProcessFunction", "CoProcessFunction", "CollectSink", "CollectionSource",
    "CountWindow", "CumulateWindow", "DataStream", "DataStreamSink", "EngineNotFound", "Expression", "FileSink",
    "FileSource", "GeneratorSource", "GlobalWindow", "GroupedStream", "JobError", "JobFailed", "JobGraph", "JobResult",
    "KafkaSink", "KafkaSinkOperator", "KafkaSource", "KafkaSourceOperator", "KeyedProcessFunction", "KeyedProcessOperator",
    "KeyedStream", "ListState", "LookupCache", "MapState", "NativeFunction", "NexmarkSource", "OutputTag", "PostgresTable", "PrintSink",
    "ProcessWindowFunction", "ReducingState", "RestartStrategy",
    "SessionWindow", "Sink", "SlidingWindow", "Source", "StateTtl", "StreamExecutionEnvironment", "SubmitError",
    "Trigger", "TriggerResult", "TriggerWindow", "TumblingWindow", "ValueState", "WatermarkGenerator", "WatermarkStrategies", "Window", "WindowContext", "WindowTrigger",
    "WindowedStream", "__version__", "accumulator", "avg", "coalesce",
    "col", "collect", "concat", "count", "count_distinct", "dead_letter", "first", "from_epoch_ms", "greatest", "hash_of",
    "if_", "last", "least", "lit", "max", "min", "native", "shipped_file", "struct", "sum", "top", "udf", "when",
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
