"""The builder: the graph, its uids, and errors that name the user's line."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import pickletools
import subprocess
import sys
import tarfile
import threading
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import headrace
from headrace import (
    BlackholeSink,
    CollectionSource,
    DataStream,
    FileSink,
    FileSource,
    GeneratorSource,
    JobError,
    JobGraph,
    KafkaSink,
    KafkaSource,
    PrintSink,
    RestartStrategy,
    StreamExecutionEnvironment,
    codec,
)


def word_count(env: StreamExecutionEnvironment) -> DataStream:
    lines = env.add_source(KafkaSource(topic="lines", bootstrap_servers="kafka:9092", group_id="wc"))
    counts = lines.flat_map(str.split).map(lambda w: (w, 1)).key_by(lambda t: t[0]).reduce(lambda a, b: (a[0], a[1] + b[1]))
    counts.add_sink(KafkaSink(topic="counts", bootstrap_servers="kafka:9092"))
    return counts


def uids(env: StreamExecutionEnvironment) -> list[str]:
    return [o.uid for o in env.get_job_graph().graph.operators]


def test_word_count_graph() -> None:
    env = StreamExecutionEnvironment("WordCount").set_parallelism(12).set_max_parallelism(256).enable_checkpointing(60000)
    env.set_restart_strategy(RestartStrategy.fixed_delay(3, timedelta(seconds=1)))
    word_count(env)
    job = env.get_job_graph()
    graph = job.graph
    assert (graph.format_version, graph.job_name) == (1, "WordCount")
    settings = graph.settings
    assert (settings.parallelism, settings.max_parallelism, settings.checkpoint_interval_ms) == (12, 256, 60000)
    assert (settings.restart.kind, settings.restart.max_attempts, settings.restart.delay_ms) == (2, 3, 1000)
    assert [o.WhichOneof("kind") for o in graph.operators] == ["source", "flat_map", "map", "key_by", "reduce", "sink"]
    assert [o.name for o in graph.operators] == ["lines", "str.split", "map", "key_by", "reduce", "counts"]
    for before, after in zip(graph.operators, graph.operators[1:]):
        assert [i.uid for i in after.inputs] == [before.uid]
    source = graph.operators[0]
    assert source.source.kind == "kafka" and not source.source.bounded
    assert dict(source.source.options) == {
        "topic": "lines", "bootstrap_servers": "kafka:9092", "group_id": "wc", "start": "earliest", "value_format": "string", "on_error": "fail",
    }  # fmt: skip
    assert source.location.file == __file__ and "KafkaSource" in source.location.code
    assert source.location.line == word_count.__code__.co_firstlineno + 1
    assert job.header.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert job.header.headrace_version == headrace.__version__


def test_same_program_gives_the_same_uids_and_bytes() -> None:
    graphs = []
    for _ in range(2):
        env = StreamExecutionEnvironment("WordCount")
        word_count(env)
        graphs.append(env.get_job_graph())
    assert graphs[0] == graphs[1]


def test_operator_added_elsewhere_shifts_no_uid() -> None:
    plain, other = StreamExecutionEnvironment("a"), StreamExecutionEnvironment("a")
    word_count(plain)
    other.add_source(GeneratorSource()).map(lambda x: x).add_sink(BlackholeSink())
    word_count(other)
    assert uids(other)[3:] == uids(plain)


def test_named_operator_keeps_its_uid_when_its_upstream_changes() -> None:
    def make(extra: bool) -> StreamExecutionEnvironment:
        env = StreamExecutionEnvironment("a")
        stream = env.from_collection([1])
        if extra:
            stream = stream.filter(lambda x: True)
        stream.map(lambda x: x).name("parse").add_sink(BlackholeSink())
        return env

    by_name = [{o.name: o.uid for o in make(e).get_job_graph().graph.operators} for e in (False, True)]
    assert by_name[0]["parse"] == by_name[1]["parse"]
    assert by_name[0]["blackhole"] == by_name[1]["blackhole"]  # behind a named operator nothing shifts either


def test_twins_at_one_place_get_different_uids() -> None:
    env = StreamExecutionEnvironment("a")
    source = env.from_collection([1])
    for _ in range(3):
        source.map(lambda x: x).add_sink(BlackholeSink())
    assert len(set(uids(env))) == 7


def test_duplicate_names_and_uids_are_refused_with_both_places() -> None:
    env = StreamExecutionEnvironment("a")
    source = env.from_collection([1])
    source.map(lambda x: x).name("parse")
    second = source.map(lambda x: x).name("parse")
    with pytest.raises(
        JobError, match=r'map "parse" \(.*test_builder.py:\d+\) and map "parse" \(.*test_builder.py:\d+\) have the same name'
    ):
        env.get_job_graph()
    second.uid("parse-2")
    assert env.get_job_graph().graph.operators[2].uid_is_explicit
    source.filter(lambda x: x).uid("parse-2")
    with pytest.raises(JobError, match="have the uid 'parse-2'"):
        env.get_job_graph()


def test_union_and_partitionings() -> None:
    env = StreamExecutionEnvironment("a")
    a, b = env.from_collection([1]), env.add_source(GeneratorSource(count=5), name="numbers")
    joined = a.rebalance().union(b.broadcast(), a.forward()).map(lambda x: x).set_parallelism(3)
    joined.add_sink(PrintSink("> ")).name("out").set_parallelism(1)
    operators = env.get_job_graph().graph.operators
    union = operators[2]
    assert union.WhichOneof("kind") == "union"
    assert [(i.uid, i.partitioning) for i in union.inputs] == [
        (operators[0].uid, 3),
        (operators[1].uid, 4),
        (operators[0].uid, 1),
    ]
    assert [o.parallelism for o in operators] == [0, 0, 0, 3, 1]
    assert operators[1].source.bounded and operators[1].name == "numbers"
    assert dict(operators[4].sink.options) == {"prefix": "> "}


def test_connector_options() -> None:
    def options(connector):
        return connector.kind, connector.options, getattr(connector, "bounded", None)

    at = datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert options(KafkaSource("t", start=at))[1]["start_timestamp_ms"] == "1704067200000"
    assert options(KafkaSource("t", start=17))[1]["start"] == "timestamp"
    source = KafkaSource(
        "t",
        start="committed",
        group_id="g",
        stop_at="latest",
        value_format="json",
        on_error="skip",
        properties={"fetch.min.bytes": 5, "check.crcs": True},
    )
    assert (
        source.bounded and source.options["property.fetch.min.bytes"] == "5" and source.options["property.check.crcs"] == "true"
    )
    assert "bootstrap_servers" not in source.options  # the engine's KAFKA_BOOTSTRAP_SERVERS
    assert options(KafkaSink("t", delivery="exactly_once"))[1] == {
        "topic": "t",
        "delivery": "exactly_once",
        "value_format": "auto",
    }
    assert options(FileSource("/data/in", "json")) == ("file", {"path": "/data/in", "format": "json", "on_error": "fail"}, True)
    assert options(FileSink("/data/out")) == ("file", {"path": "/data/out", "format": "lines"}, None)
    assert options(GeneratorSource(kind="words", vocabulary=10, words_per_row=2, seed=1)) == (
        "generator", {"count": "0", "rows_per_second": "0", "kind": "words", "vocabulary": "10", "words_per_row": "2", "seed": "1"}, False,
    )  # fmt: skip
    assert codec.decode(CollectionSource(iter([("a", 1), None])).payload()) == [("a", 1), None]
    assert headrace.KafkaSourceOperator is KafkaSource and headrace.KafkaSinkOperator is KafkaSink


async def async_identity(row):
    return row


WRONG = {
    "function": (lambda env: env.from_collection([1]).map(5), TypeError, "map"),
    "source": (lambda env: env.add_source("lines"), TypeError, "add_source"),
    "sink": (lambda env: env.from_collection([1]).add_sink(print), TypeError, "add_sink"),
    "parallelism 0": (lambda env: env.set_parallelism(0), ValueError, "parallelism is 0"),
    "parallelism 100000": (lambda env: env.from_collection([1]).set_parallelism(100000), ValueError, "parallelism is 100000"),
    "parallelism text": (lambda env: env.set_parallelism("4"), TypeError, "set_parallelism"),
    "union of one": (lambda env: env.from_collection([1]).union(), ValueError, "union"),
    "union across": (
        lambda env: env.from_collection([1]).union(StreamExecutionEnvironment("b").from_collection([1])),
        ValueError,
        "different",
    ),
    "topic": (lambda env: KafkaSource(topic=""), ValueError, "topic is empty"),
    "start": (lambda env: KafkaSource("t", start="now"), ValueError, "'earliest', 'latest', 'committed'"),
    "naive start": (lambda env: KafkaSource("t", start=datetime(2024, 1, 1)), ValueError, "time zone"),
    "value format": (lambda env: KafkaSink("t", value_format="xml"), ValueError, "value_format is 'xml'"),
    "count": (lambda env: GeneratorSource(count=-1), ValueError, "count is -1"),
    "one string": (lambda env: env.from_collection("abc"), TypeError, "one str"),
    "interval": (lambda env: env.enable_checkpointing(0), ValueError, "too short"),
    "interval text": (lambda env: env.enable_checkpointing("1m"), TypeError, "ms as an int"),
    "name": (lambda env: env.from_collection([1]).name("x" * 300), ValueError, "name()"),
    "missing file": (lambda env: env.add_files("/no/such/file"), ValueError, "/no/such/file does not exist"),
    "path of a number": (lambda env: FileSource(5), TypeError, "path takes a str, not int"),
    "folder of a number": (lambda env: FileSink(None), TypeError, "path takes a str, not NoneType"),
    "committed by nobody": (lambda env: KafkaSource("t", start="committed"), ValueError, "needs a group_id"),
    "properties": (lambda env: KafkaSource("t", properties=["a"]), TypeError, "properties takes a dict, not list"),
    "one number": (lambda env: env.from_collection(5), TypeError, "an iterable of rows, not int"),
    "async function": (lambda env: env.from_collection([1]).map(async_identity), TypeError, "async"),
    "backwards delays": (lambda env: RestartStrategy.exponential(10_000, 10), ValueError, "above its longest delay of 10 ms"),
    "endless interval": (lambda env: env.enable_checkpointing(2**70), ValueError, "too long"),
    "job name of a number": (lambda env: StreamExecutionEnvironment(5), TypeError, "the name takes a str"),
    "job name with a surrogate": (lambda env: StreamExecutionEnvironment("a\ud800"), ValueError, "printable"),
    "file of a number": (lambda env: env.add_files(5), TypeError, "it takes paths, not int"),
    "requirement of a number": (lambda env: env.add_python_requirements(5), TypeError, "a list of requirements"),
    "submit to a number": (
        lambda env: (env.from_collection([1]).print(), env.execute(submit=5)),
        TypeError,
        "submit takes a str",
    ),
    "pip option": (lambda env: env.add_python_requirements(["--index-url=x"]), ValueError, "no option of pip"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_wrong_argument_names_the_users_line(case: str) -> None:
    call, kind, text = WRONG[case]
    with pytest.raises(JobError) as caught:
        call(StreamExecutionEnvironment("a"))
    assert isinstance(caught.value, kind)
    assert text in str(caught.value) and "test_builder.py:" in str(caught.value)


def test_reduce_needs_a_keyed_stream() -> None:
    stream = StreamExecutionEnvironment("a").from_collection([1])
    assert not hasattr(stream, "reduce")
    with pytest.raises(AttributeError, match=r"reduce \(.*test_builder.py:\d+\): .*key_by\(\)"):
        stream.reduce(max)
    with pytest.raises(AttributeError, match="no attribute 'windows'"):
        stream.windows  # noqa: B018


def test_paths_are_taken_as_paths_too() -> None:
    assert FileSource(Path("/data/in.txt")).options["path"] == "/data/in.txt"
    assert FileSource(Path("/data/in.txt")).default_name == "in.txt"
    assert FileSink(Path("/data/out/")).options["path"] == "/data/out"
    assert FileSource("/").default_name == "files"


def test_what_an_iterable_raises_is_not_taken_for_a_wrong_argument() -> None:
    def rows():
        raise TypeError("from inside")
        yield 1

    with pytest.raises(TypeError, match="^from inside$"):
        StreamExecutionEnvironment("a").from_collection(rows())


def test_function_that_cannot_be_pickled_is_named() -> None:
    env = StreamExecutionEnvironment("a")
    lock = threading.Lock()
    env.from_collection([1]).map(lambda x: (x, lock)).name("locked")
    with pytest.raises(JobError, match=r'map "locked" \(.*test_builder.py:\d+\): its function cannot be pickled') as caught:
        env.get_job_graph()
    assert isinstance(caught.value, TypeError)


def test_function_that_uses_the_environment_is_named() -> None:
    env = StreamExecutionEnvironment("a")
    stream = env.from_collection([1])
    stream.map(lambda x: stream)
    with pytest.raises(JobError, match=r'map "map" .*it uses the environment or a stream'):
        env.get_job_graph()


def test_text_that_is_no_unicode_is_refused_or_cleaned() -> None:
    env = StreamExecutionEnvironment("a")
    env.add_source(KafkaSource("to\ud800pic"))
    with pytest.raises(JobError, match="option topic"):
        env.get_job_graph()


def test_empty_job_is_refused() -> None:
    with pytest.raises(JobError, match="has no operators"):
        StreamExecutionEnvironment("a").get_job_graph()


def test_job_without_functions_names_no_python_version() -> None:
    env = StreamExecutionEnvironment("a")
    env.add_source(KafkaSource("in")).add_sink(KafkaSink("out"))
    assert env.get_job_graph().header.python_version == ""


# ---- the job file ----


def small_job() -> JobGraph:
    env = StreamExecutionEnvironment("a")
    word_count(env)
    return env.get_job_graph()


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pickle_has_one_global_and_one_reduce_over_bytes(protocol: int) -> None:
    job = small_job()
    data = pickle.dumps(job, protocol)
    assert pickle.loads(data) == job and JobGraph.from_bytes(data) == job and JobGraph.from_bytes(job.to_bytes()) == job
    names = [op.name for op, _, _ in pickletools.genops(data)]
    assert names.count("REDUCE") == 1 and names.count("GLOBAL") + names.count("STACK_GLOBAL") == 1
    allowed = {
        "PROTO",
        "FRAME",
        "GLOBAL",
        "STACK_GLOBAL",
        "SHORT_BINUNICODE",
        "MEMOIZE",
        "BINPUT",
        "SHORT_BINBYTES",
        "BINBYTES",
        "TUPLE1",
        "REDUCE",
        "STOP",
    }
    assert set(names) <= allowed
    payload = job.to_bytes()
    assert payload[:8] == b"HEADRACE" and payload[8:12] == b"\x01\0\0\0"
    assert payload[12:44] == hashlib.sha256(payload[:12] + payload[44:]).digest()


def test_old_pickle_protocols_are_refused() -> None:
    with pytest.raises(JobError, match="protocol 3 or later"):
        pickle.dumps(small_job(), 2)


def test_reading_back_refuses_what_is_not_whole() -> None:
    data = small_job().to_bytes()
    for bad in (
        b"",
        b"x",
        data[:-1],
        data[:100],
        data + b"x",
        b"HEADRACE" + b"\x02" + data[9:],
        pickle.dumps(5),
        pickle.dumps(os.system),
    ):
        with pytest.raises(JobError):
            JobGraph.from_bytes(bad)
    for at in (9, 20, 44, 50, len(data) - 1):
        with pytest.raises(JobError):
            JobGraph.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_too_large_a_job_is_refused() -> None:
    env = StreamExecutionEnvironment("a")
    env.from_collection([bytes(65 * 2**20)])
    with pytest.raises(JobError, match="64 MiB is the limit"):
        env.get_job_graph()


# ---- archives ----


def archive_names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        assert all(m.isfile() and m.mtime == 0 and m.uid == 0 for m in tar.getmembers())
        return tar.getnames()


def test_files_archive_is_deterministic(tmp_path: Path) -> None:
    package = tmp_path / "tool"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "sub" / "data.txt").write_text("hello")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_text("")
    os.mkfifo(package / "pipe")
    contents = []
    for when in (1, 10**9):
        os.utime(package / "__init__.py", (when, when))
        env = StreamExecutionEnvironment("a")
        env.from_collection([1])
        env.add_files(package, tmp_path / "tool" / "sub" / "data.txt")
        (archive,) = env.get_job_graph().graph.archives
        assert archive.python_path and archive.sha256 == hashlib.sha256(archive.content).digest()
        contents.append(archive.content)
    assert contents[0] == contents[1]
    assert archive_names(contents[0]) == ["data.txt", "tool/__init__.py", "tool/sub/data.txt"]
    assert headrace.shipped_file("data.txt") == str(package / "sub" / "data.txt")
    with pytest.raises(FileNotFoundError, match="add_files"):
        headrace.shipped_file("other.txt")


def test_files_that_clash_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text(folder)
    with pytest.raises(JobError, match="would both become same.txt"):
        StreamExecutionEnvironment("a").add_files(tmp_path / "a" / "same.txt", tmp_path / "b" / "same.txt")


def make_wheel(folder: Path) -> Path:
    wheel = folder / "tinytool-1.2-py3-none-any.whl"
    info = "tinytool-1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tinytool.py", "def shout(x):\n    return x.upper()\n")
        z.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinytool\nVersion: 1.2\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", f"tinytool.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return wheel


def test_requirements_are_resolved_on_the_client(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    graphs = []
    for _ in range(2):
        env = StreamExecutionEnvironment("a")
        env.from_collection([1])
        env.add_python_requirements([str(wheel)])
        graphs.append(env.get_job_graph().graph)
    assert list(graphs[0].python_requirements) == ["tinytool==1.2"]
    assert graphs[0].archives[0].content == graphs[1].archives[0].content
    assert "tinytool.py" in archive_names(graphs[0].archives[0].content)


def test_requirement_that_cannot_be_met_says_so(tmp_path: Path) -> None:
    env = StreamExecutionEnvironment("a")
    env.from_collection([1])
    env.add_python_requirements([str(tmp_path / "missing-1.0-py3-none-any.whl")])
    with pytest.raises(JobError, match="pip could not install"):
        env.get_job_graph()


# ---- importing ----


def test_import_is_light() -> None:
    script = (
        "import sys; before = set(sys.modules)\nimport headrace\n"
        "bad = [m for m in ('pyarrow', 'google', 'cloudpickle', 'dataclasses', 'inspect') if m in sys.modules and m not in before]\n"
        "assert not bad, bad\nfrom headrace import StreamExecutionEnvironment, KafkaSource\n"
        "bad = [m for m in ('pyarrow', 'google.protobuf', 'cloudpickle') if m in sys.modules]\nassert not bad, bad\n"
        "assert all(getattr(headrace, n) is not None for n in headrace.__all__)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(Path(headrace.__file__).parents[1])}
    )


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        headrace.TumblingWindows  # noqa: B018
