"""Sources and sinks. They only describe: the engine opens them. Options are those of docs/reference/connectors.md.

Wrong arguments raise JobTypeError or JobValueError where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypedDict, TypeVar

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here
from headrace.windows import milliseconds

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from os import PathLike

    from headrace.row_types import RowType

T_co = TypeVar("T_co", covariant=True)

ValueFormat = Literal["string", "bytes", "json", "avro", "protobuf", "json_schema"]
_TYPED_FORMATS = ("json", "avro", "protobuf", "json_schema")
_FILE_FORMATS = ("lines", "json", "csv", "parquet")
OnError = Literal["fail", "skip"]
_SECRET = re.compile(r"password|secret|token|auth$|registry_key$|jaas|oauthbearer\.config|key\.pem", re.IGNORECASE)
Metadata = Literal["topic", "partition", "offset", "timestamp", "key", "headers"]


class DeadLetter:
    """Where records go that cannot be decoded. Made by dead_letter()."""

    def __init__(self, topic: str | None, folder: str | None) -> None:
        self.topic, self.folder = topic, folder

    def __repr__(self) -> str:
        return f"dead_letter({self.topic!r})" if self.folder is None else f"dead_letter(folder={self.folder!r})"


def dead_letter(topic: str | None = None, *, folder: str | PathLike[str] | None = None) -> DeadLetter:
    """As on_error of a source: records that cannot be decoded are kept elsewhere, and counted like skipped ones. At least once.

    topic, of a KafkaSource: they go there as they came, key, value and headers, with headers headrace.error, headrace.topic,
    headrace.partition, headrace.offset, headrace.timestamp, headrace.job and headrace.operator. It must exist on the same brokers.
    folder, of a FileSource: a JSON object a line in files ``part-<subtask>-<n>.jsonl``, with file, offset, error, record (record_base64 when
    it is not UTF-8), job and operator. They show when their file has been read, or after 10 s.
    """
    if (topic is None) == (folder is None):
        _refuse("dead_letter", "it takes the topic of a KafkaSource, or the folder of a FileSource")
    if topic is not None:
        return DeadLetter(_text("dead_letter", "topic", topic), None)
    return DeadLetter(None, _path("dead_letter", folder))


def _refuse(what: str, message: str, wrong_type: bool = False) -> NoReturn:
    raise (JobTypeError if wrong_type else JobValueError)(f"{what} ({here()}): {message}")


def _text(what: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        _refuse(what, f"{name} takes a str, not {type(value).__name__}", wrong_type=True)
    if not value:
        _refuse(what, f"{name} is empty")
    return str(value)


def _choice(what: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        _refuse(what, f"{name} is {value!r}; it takes {', '.join(repr(c) for c in choices)}")
    return str(value)


def _count(what: str, name: str, value: Any, least: int = 0) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(what, f"{name} takes an int, not {type(value).__name__}", wrong_type=True)
    if not least <= value < 2**63:
        _refuse(what, f"{name} is {value}; it must be {least} or more")
    return str(value)


def _path(what: str, value: Any) -> str:
    import os

    return _text(what, "path", os.fspath(value) if isinstance(value, os.PathLike) else value)


def _parquet_schema(what: str, path: str) -> Any:
    """The schema of a Parquet file, of the first of a folder or glob, as this program sees it."""
    try:
        import pyarrow.parquet
    except ImportError:
        _refuse(
            what, f"reading the schema of {path!r} takes pyarrow, which is not installed; say with row_type which columns it has"
        )
    first = _first_file(what, path)
    try:
        return pyarrow.parquet.read_schema(first)
    except (OSError, pyarrow.ArrowException) as error:
        _refuse(what, f"the schema of {first!r} cannot be read: {error}")


def _first_file(what: str, path: str) -> str:
    """The file that says the schema of a path: itself, or the first of a folder or glob."""
    import glob
    import os

    found = sorted(glob.glob(os.path.join(path, "*") if os.path.isdir(path) else path)) if not os.path.isfile(path) else [path]
    files = [name for name in found if os.path.isfile(name)]
    if not files:
        _refuse(what, f"this program sees no file at {path!r} whose schema it could take; say with row_type which columns it has")
    return files[0]


def _avro_schema(what: str, path: str) -> str:
    """The schema in the header of an Avro file, as JSON; of the first of a folder or glob."""
    first = _first_file(what, path)
    with open(first, "rb") as file:
        head = file.read(2 << 20)
    at = 4

    def number() -> int:
        nonlocal at
        bits = shift = 0
        while True:
            byte = head[at]
            at += 1
            bits |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (bits >> 1) ^ -(bits & 1)

    def text() -> bytes:
        nonlocal at
        size = number()
        at += size
        return head[at - size : at]

    try:
        entries = number() if head.startswith(b"Obj\1") else 0
        while entries != 0:
            if entries < 0:
                number()
            for _ in range(abs(entries)):
                key, value = text(), text()
                if key == b"avro.schema":
                    return value.decode()
            entries = number()
    except (IndexError, UnicodeDecodeError):
        pass
    _refuse(what, f"{first!r} is no Avro file with a schema in its header; say with row_type which columns it has")


def _last_part(path: str, otherwise: str) -> str:
    """What an operator is called after its path."""
    return path.rstrip("/").rpartition("/")[2] or otherwise


def _properties(what: str, properties: Mapping[str, Any] | None) -> dict[str, str]:
    out: dict[str, str] = {}
    if properties is not None and not isinstance(properties, Mapping):
        _refuse(what, f"properties takes a dict, not {type(properties).__name__}", wrong_type=True)
    for name, value in (properties or {}).items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float)):
            _refuse(what, "properties takes names of librdkafka settings with str, int, float or bool values", wrong_type=True)
        out[f"property.{name}"] = str(value).lower() if isinstance(value, bool) else str(value)
    return out


class Connector:
    """What the engine gets: a kind, its options as text, and for collections the rows themselves."""

    kind: str
    default_name: str
    row_type: RowType | None = None  # of typed rows

    def __init__(self, kind: str, options: dict[str, str], default_name: str) -> None:
        self.kind, self.options, self.default_name = kind, options, default_name

    def payload(self) -> bytes:
        """Rows that travel inside the job, value-encoded; empty for most."""
        return b""

    def __repr__(self) -> str:
        shown = ((name, "***" if _SECRET.search(name) else value) for name, value in self.options.items())
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown)})"


class Source(Connector, Generic[T_co]):
    """Where rows come from. bounded: it ends by itself."""

    def __init__(self, kind: str, options: dict[str, str], default_name: str, bounded: bool) -> None:
        super().__init__(kind, options, default_name)
        self.bounded = bounded


class Sink(Connector):
    """Where rows go."""


class KafkaSource(Source[Any]):
    """Rows from a Kafka topic; partitions that are added later are found.

    Shape: one row a record, its value alone: str (value_format "string", must be UTF-8), bytes ("bytes"), or what the JSON says
    ("json"). With a row_type also "avro", "protobuf" and "json_schema": in the wire format of a schema registry (schema_registry
    "http://host:port" or "https://…", schema_registry_auth "user:password", schema_registry_tls {"ca": …, "certificate": …, "key": …}, each PEM
    text or the path of a file that this program reads; by default the machines' own authorities count), or all records of one schema (an Avro schema, or the text of a .proto
    file and the name of the message). With a row_type (a dataclass, TypedDict, pyarrow schema, dict of names and types, JSON Schema …; see
    docs/reference/formats.md) rows are typed, decoded from JSON objects straight into columns, and bring the record's own time as
    event time: with_watermarks() needs no with_timestamp(). Records without a value count as unreadable. In order within a partition;
    each partition is read by one subtask.

    metadata: columns of typed rows that hold something of the record itself, {"column": what} or a list where both are one name: "topic"
    (text), "partition" (int32), "offset" (int64), "timestamp" (timestamp[ms]), "key" (binary | None) or "headers" (a list of structs
    key: text, value: binary | None). A column that the row_type declares has its type from there: text for a key, int64 for a partition.

    topic: its name. bootstrap_servers: "host:port,…"; without it the engine's KAFKA_BOOTSTRAP_SERVERS. group_id: consumer group
    that commits show progress for. start: "earliest", "latest", "committed" (by group_id), or a time (aware datetime, or int ms
    since 1970): the first record at or after it. stop_at="latest" makes it bounded: it ends at the offsets found at the start.
    on_error: "fail" the job at a record that cannot be read, "skip" and count it, or dead_letter(topic). discovery_interval_ms: how
    often new partitions are looked for (0: never; default 30000). properties: settings of librdkafka.

    Errors: JobTypeError or JobValueError for wrong arguments. An unknown topic is refused at submit; brokers that are away are
    waited for; a topic that goes away fails the job.
    """

    def __init__(
        self,
        topic: str,
        bootstrap_servers: str | None = None,
        group_id: str | None = None,
        *,
        start: Literal["earliest", "latest", "committed"] | int | datetime = "earliest",
        stop_at: Literal["latest"] | None = None,
        value_format: ValueFormat | None = None,
        row_type: Any = None,
        schema_registry: str | None = None,
        schema_registry_auth: str | None = None,
        schema_registry_tls: Mapping[str, str | PathLike[str]] | None = None,
        schema: str | Mapping[str, Any] | None = None,
        message: str | None = None,
        metadata: Mapping[str, Metadata] | Iterable[Metadata] | None = None,
        on_error: OnError | DeadLetter = "fail",
        discovery_interval_ms: int | None = None,
        properties: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        what = "KafkaSource"
        options = {"topic": _text(what, "topic", topic)}
        if bootstrap_servers is not None:
            options["bootstrap_servers"] = _text(what, "bootstrap_servers", bootstrap_servers)
        if group_id is not None:
            options["group_id"] = _text(what, "group_id", group_id)
        options.update(_start(what, start))
        if options["start"] == "committed" and group_id is None:
            _refuse(what, "start='committed' needs a group_id: whose commits?")
        if stop_at is not None:
            options["stop_at"] = _choice(what, "stop_at", stop_at, ("latest",))
        if value_format is None:
            value_format = "string" if row_type is None else "json"
        options["value_format"] = _choice(what, "value_format", value_format, ("string", "bytes", *_TYPED_FORMATS))
        if row_type is not None and value_format not in _TYPED_FORMATS:
            _refuse(what, f"value_format {value_format!r} has no columns for row_type; JSON has: value_format='json'")
        if value_format == "avro" and row_type is None:
            row_type = schema
        if value_format in ("avro", "protobuf", "json_schema"):
            options.update(
                _schemas(
                    what,
                    value_format,
                    row_type,
                    _registry(what, schema_registry, schema_registry_auth, schema_registry_tls),
                    schema,
                    message,
                )
            )
        elif schema_registry is not None or schema is not None:
            _refuse(what, f"value_format {value_format!r} takes no schema; 'avro', 'protobuf' and 'json_schema' do")
        if isinstance(on_error, DeadLetter):
            if on_error.topic is None:
                _refuse(what, "its dead letters go to a topic: dead_letter('name')")
            options["on_error"], options["dead_letter_topic"] = "dead_letter", on_error.topic
        else:
            options["on_error"] = _choice(what, "on_error", on_error, ("fail", "skip"))
        if discovery_interval_ms is not None:
            options["discovery_interval_ms"] = _count(what, "discovery_interval_ms", discovery_interval_ms)
        options.update(_properties(what, properties))
        rows = _row_type(what, row_type)
        if metadata is not None:
            rows = _metadata(what, metadata, rows, options)
        super().__init__("kafka", options, topic, bounded=stop_at is not None)
        self.row_type = rows


def _row_type(what: str, declared: Any) -> RowType | None:
    if declared is None:
        return None
    from headrace.row_types import row_type

    return row_type(what, declared)


def _metadata(what: str, metadata: Mapping[str, str] | Iterable[str], rows: RowType | None, options: dict[str, str]) -> RowType:
    """The row type with the columns of `metadata`, which go into `options`."""
    import json

    from headrace.row_types import RowType
    from headrace.row_types import row_type as parse

    if isinstance(metadata, str) or not isinstance(metadata, Iterable):
        _refuse(what, f"metadata takes a dict from columns to what they hold, or a list, not {metadata!r}", wrong_type=True)
    columns = dict(metadata) if isinstance(metadata, Mapping) else {name: name for name in metadata}
    if rows is None:
        _refuse(what, "metadata goes into columns of typed rows: say with row_type which columns the value has")
    types = {
        "topic": "text", "partition": "int32", "offset": "int64", "timestamp": "timestamp[ms]", "key": "binary | None",
        "headers": list[TypedDict("Header", {"key": str, "value": bytes | None})],  # type: ignore[misc,operator]
    }  # fmt: skip
    for column, held in columns.items():
        _choice(what, f"metadata of column {column!r}", held, tuple(types))
    added = {column: types[held] for column, held in columns.items() if column not in rows.names}
    if added and rows.record is not None:
        _refuse(what, f"{rows.record.__qualname__} has no field {next(iter(added))!r} for the metadata; declare it there")
    options["metadata"] = json.dumps(columns)
    return RowType(rows.fields + parse(what, added).fields, rows.record) if added else rows


def _schemas(
    what: str,
    value_format: str,
    row_type: Any,
    registry: dict[str, str],
    schema: str | Mapping[str, Any] | None,
    message: str | None,
) -> dict[str, str]:
    """Options that say how records of a format with a schema are read."""
    if row_type is None:
        _refuse(what, f"value_format {value_format!r} gives typed rows: say which columns they have with row_type")
    if value_format != "json_schema" and (not registry) == (schema is None):
        _refuse(
            what, f"value_format {value_format!r} takes either schema_registry='http://host:port', or the schema of all records"
        )
    options = dict(registry)
    if schema is not None and value_format != "json_schema":
        options["schema"] = schema if isinstance(schema, str) else _json(what, "schema", schema)
    if message is not None:
        options["message"] = _text(what, "message", message)
    return options


def _registry(what: str, registry: str | None, auth: str | None, tls: Mapping[str, str | PathLike[str]] | None) -> dict[str, str]:
    """Options that say where a schema registry is, and how it is spoken to."""
    options = {}
    if registry is not None:
        if not _text(what, "schema_registry", registry).startswith(("http://", "https://")):
            _refuse(what, f"schema_registry is {registry!r}; it must be http://host:port or https://host:port")
        options["schema_registry"] = registry
    if auth is not None:
        if ":" not in _text(what, "schema_registry_auth", auth):
            _refuse(what, "schema_registry_auth is 'user:password'")
        options["schema_registry_auth"] = auth
    if tls is None:
        return options
    if registry is None or not registry.startswith("https://"):
        _refuse(what, "schema_registry_tls is of a schema_registry='https://…'")
    for name, pem in tls.items():
        _choice(what, "a key of schema_registry_tls", name, ("ca", "certificate", "key"))
        options[f"schema_registry_{name}"] = _pem(what, name, pem)
    if ("certificate" in tls) != ("key" in tls):
        _refuse(what, "schema_registry_tls: certificate and key need each other")
    return options


def _pem(what: str, name: str, pem: str | PathLike[str]) -> str:
    """PEM text, as it is or out of the file that it names."""
    if isinstance(pem, str) and pem.lstrip().startswith("-----BEGIN"):
        return pem
    path = _path(what, pem)
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        _refuse(what, f"schema_registry_tls: {name}: {path!r} cannot be read as PEM text: {error}")


def _json(what: str, name: str, value: Any) -> str:
    import json

    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        _refuse(what, f"{name} cannot be written as JSON: {error}", wrong_type=True)


def _columns(what: str, name: str, columns: Any) -> str:
    """Names of columns as an option carries them."""
    import json

    names = [columns] if isinstance(columns, str) else list(columns)
    if not names or not all(isinstance(c, str) and c for c in names):
        _refuse(what, f"{name} takes the name of a column, or a list of names, not {columns!r}", wrong_type=True)
    return json.dumps(names)


def _start(what: str, start: Any) -> dict[str, str]:
    if isinstance(start, str):
        return {"start": _choice(what, "start", start, ("earliest", "latest", "committed"))}
    if isinstance(start, int) and not isinstance(start, bool):
        return {"start": "timestamp", "start_timestamp_ms": _count(what, "start", start)}
    utcoffset = getattr(start, "utcoffset", None)
    if utcoffset is None:
        _refuse(
            what, f"start takes earliest, latest, committed, ms since 1970 or an aware datetime, not {start!r}", wrong_type=True
        )
    elif utcoffset() is None:
        _refuse(what, "start is a datetime without a time zone; give it one, as in datetime(…, tzinfo=timezone.utc)")
    return {"start": "timestamp", "start_timestamp_ms": _count(what, "start", int(start.timestamp() * 1000))}


class KafkaSink(Sink):
    """Rows into a Kafka topic that exists. A restarted job writes rows again: at least once.

    Shape: one message a row. Value (value_format "auto"): a str as UTF-8, bytes as they are, anything else as JSON; "string",
    "bytes" and "json" write one of these always. Typed rows are JSON objects, written straight from their columns. The message key is
    the stream's key behind key_by; of typed rows the column key (text as it is, numbers as digits, times as ISO 8601), or a JSON array
    of several; else null. Typed rows are also written as "avro", "protobuf" and "json_schema", in the wire format of a schema registry
    (schema_registry, schema_registry_auth and schema_registry_tls as for KafkaSource). The schema is made of the columns under the name
    record_name ("Row", "org.example.Bid"), or it is schema (an Avro schema as text or dict, the text of a .proto file, a JSON Schema; record_name
    picks the .proto's message, by default the first). It is registered, or with auto_register=False only looked up; use_latest=True takes
    the subject's newest instead. subject_strategy: the subject "topic" (TOPIC-value), "record" (the record's full name) or "topic_record"
    (both). Without a registry "avro" and "protobuf" records have no id. timestamps: of typed rows, "iso" text or "ms" since 1970. delivery: "at_least_once", "exactly_once" (written at least once for now), "none"; without it the engine's default.
    properties: settings of librdkafka.

    Errors: JobTypeError or JobValueError for wrong arguments. Rows that the brokers refuse for good fail the job; brokers that
    are away hold it up.
    """

    def __init__(
        self,
        topic: str,
        bootstrap_servers: str | None = None,
        *,
        delivery: Literal["exactly_once", "at_least_once", "none"] | None = None,
        value_format: Literal["auto", "string", "bytes", "json", "avro", "protobuf", "json_schema"] = "auto",
        schema_registry: str | None = None,
        schema_registry_auth: str | None = None,
        schema_registry_tls: Mapping[str, str | PathLike[str]] | None = None,
        subject_strategy: Literal["topic", "record", "topic_record"] | None = None,
        record_name: str | None = None,
        schema: str | Mapping[str, Any] | None = None,
        auto_register: bool | None = None,
        use_latest: bool | None = None,
        key: str | list[str] | None = None,
        timestamps: Literal["iso", "ms"] = "iso",
        properties: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        what = "KafkaSink"
        options = {"topic": _text(what, "topic", topic)}
        if bootstrap_servers is not None:
            options["bootstrap_servers"] = _text(what, "bootstrap_servers", bootstrap_servers)
        if delivery is not None:
            options["delivery"] = _choice(what, "delivery", delivery, ("exactly_once", "at_least_once", "none"))
        formats = ("auto", "string", "bytes", "json", "avro", "protobuf", "json_schema")
        options["value_format"] = _choice(what, "value_format", value_format, formats)
        options.update(_registry(what, schema_registry, schema_registry_auth, schema_registry_tls))
        if subject_strategy is not None:
            options["subject_strategy"] = _choice(what, "subject_strategy", subject_strategy, ("topic", "record", "topic_record"))
        if record_name is not None:
            options["record_name"] = _text(what, "record_name", record_name)
        if schema is not None:
            options["schema"] = _text(what, "schema", schema if isinstance(schema, str) else _json(what, "schema", schema))
        for name, flag in (("auto_register", auto_register), ("use_latest", use_latest)):
            if flag is not None:
                if not isinstance(flag, bool):
                    _refuse(what, f"{name} takes a bool, not {type(flag).__name__}", wrong_type=True)
                options[name] = str(flag).lower()
        if key is not None:
            options["key_columns"] = _columns(what, "key", key)
        if timestamps != "iso":
            options["timestamps"] = _choice(what, "timestamps", timestamps, ("iso", "ms"))
        options.update(_properties(what, properties))
        super().__init__("kafka", options, topic)


class FileSource(Source[Any]):
    """Rows from a file, all files of a folder, or a glob, as the machines of the cluster see the path. Bounded.

    Shape: one str a line (format "lines", without its line end), or one JSON value a line ("json": dict, list, str, int, float,
    bool, None). With a row_type rows are typed: JSON objects, or CSV records (format "csv"; the first line names the columns, or with
    csv_header=False csv_columns does). Format "parquet": typed rows by the columns' names, of the row_type or, without one, of the schema of the
    (first) file, which this program must see then. Files are shared out among the subtasks as wholes, Parquet files by row groups.
    Format "avro": the records of Avro files, of the row_type or the schema of the first file. "protobuf", "json_schema" and, with a schema or a
    schema_registry, "avro": records as a topic holds them, each behind its length as a varint; schema, message and
    schema_registry… as for KafkaSource.
    csv_null: the text, not in quotes, that is null. on_error: "fail" the job at a line that cannot be read (not UTF-8, not JSON, a value that does not fit, longer than 16 MiB),
    "skip" and count it, or dead_letter(folder=…) to keep it there.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        format: Literal["lines", "json", "csv", "parquet", "avro", "protobuf", "json_schema"] | None = None,
        *,
        row_type: Any = None,
        schema_registry: str | None = None,
        schema_registry_auth: str | None = None,
        schema_registry_tls: Mapping[str, str | PathLike[str]] | None = None,
        schema: str | Mapping[str, Any] | None = None,
        message: str | None = None,
        csv_delimiter: str = ",",
        csv_header: bool = True,
        csv_columns: Iterable[str] | None = None,
        csv_null: str = "",
        on_error: OnError | DeadLetter = "fail",
    ) -> None:
        what = "FileSource"
        if format is None:
            format = "lines" if row_type is None else "json"
        options = {"path": _path(what, path), "format": _choice(what, "format", format, (*_FILE_FORMATS, *_TYPED_FORMATS[1:]))}
        if isinstance(on_error, DeadLetter):
            if on_error.folder is None:
                _refuse(what, "its dead letters go to a folder: dead_letter(folder='…')")
            options["on_error"], options["dead_letter_path"] = "dead_letter", on_error.folder
        else:
            options["on_error"] = _choice(what, "on_error", on_error, ("fail", "skip"))
        if format == "avro" and row_type is None:
            row_type = schema if schema is not None else _avro_schema(what, options["path"])
        if format in ("protobuf", "json_schema") or schema is not None or schema_registry is not None:
            if format not in _TYPED_FORMATS[1:]:
                _refuse(what, f"format {format!r} takes no schema; 'avro', 'protobuf' and 'json_schema' do")
            options.update(
                _schemas(
                    what,
                    format,
                    row_type,
                    _registry(what, schema_registry, schema_registry_auth, schema_registry_tls),
                    schema,
                    message,
                )
            )
        if format == "parquet" and row_type is None:
            row_type = _parquet_schema(what, options["path"])
        if format == "csv":
            if row_type is None:
                _refuse(what, "format 'csv' gives typed rows: say which columns they have, row_type={'name': 'text', …}")
            if len(_text(what, "csv_delimiter", csv_delimiter).encode()) != 1:
                _refuse(what, f"csv_delimiter is {csv_delimiter!r}; it must be one ASCII character")
            options["csv_delimiter"] = csv_delimiter
            options["csv_header"] = "true" if csv_header else "false"
            if csv_columns is not None:
                options["csv_columns"] = _columns(what, "csv_columns", csv_columns)
            elif not csv_header:
                _refuse(what, "csv_header=False needs csv_columns: the names of the files' columns in their order")
            options["csv_null"] = csv_null
        super().__init__("file", options, _last_part(options["path"], "files"), bounded=True)
        self.row_type = _row_type(what, row_type)


class FileSink(Sink):
    """Rows into files ``part-<subtask>-<n>`` of a folder, which is made when it does not exist.

    Shape: a line a row: str as it is and anything else as its text (format "lines"), or JSON ("json"); of typed rows JSON objects, or
    CSV with the columns' names as first line ("csv"), or Parquet ("parquet", files ``part-<subtask>-<n>.parquet`` with compression
    "snappy", "zstd", "gzip", "lz4" or "none"). timestamps: of typed rows as text, "iso" or "ms" since 1970. A file shows when it is
    complete: at the end of the job, at roll_bytes (64 MiB) or roll_rows (any number), or roll_after (10 s) behind its first row. At least once: a restarted job writes rows again.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        format: Literal["lines", "json", "csv", "parquet"] = "lines",
        *,
        timestamps: Literal["iso", "ms"] = "iso",
        compression: Literal["none", "snappy", "zstd", "gzip", "lz4"] | None = None,
        roll_bytes: int | None = None,
        roll_rows: int | None = None,
        roll_after: int | timedelta | None = None,
    ) -> None:
        what = "FileSink"
        options = {"path": _path(what, path), "format": _choice(what, "format", format, _FILE_FORMATS)}
        if compression is not None:
            if format != "parquet":
                _refuse(what, f"format {format!r} is not compressed; 'parquet' is")
            options["compression"] = _choice(what, "compression", compression, ("none", "snappy", "zstd", "gzip", "lz4"))
        if roll_bytes is not None:
            options["roll_bytes"] = _count(what, "roll_bytes", roll_bytes, 1)
        if roll_rows is not None:
            options["roll_rows"] = _count(what, "roll_rows", roll_rows, 1)
        if roll_after is not None:
            options["roll_after_ms"] = str(milliseconds(what, roll_after, 1))
        if timestamps != "iso":
            options["timestamps"] = _choice(what, "timestamps", timestamps, ("iso", "ms"))
        super().__init__("file", options, _last_part(options["path"], "files"))


class CollectionSource(Source[T_co]):
    """The rows of an iterable, carried inside the job. Bounded. For tests and small inputs: a job file holds at most 64 MiB.

    row_type: the columns, for typed rows: a dataclass, a TypedDict, a pyarrow schema, or a dict such as {"k": "text", "t": "timestamp[ms]"}
    (headrace.row_types). Rows are then dicts or dataclasses; an int in a timestamp column is ms.
    """

    def __init__(self, rows: Iterable[T_co], row_type: Any = None) -> None:
        if isinstance(rows, (str, bytes)):
            _refuse("CollectionSource", f"it takes an iterable of rows, not one {type(rows).__name__}", wrong_type=True)
        if not isinstance(rows, Iterable):
            _refuse("CollectionSource", f"it takes an iterable of rows, not {type(rows).__name__}", wrong_type=True)
        self.rows: list[T_co] = list(rows)
        super().__init__("collection", {}, "collection", bounded=True)
        if row_type is not None:
            from headrace.row_types import row_type as parse

            self.row_type = parse("CollectionSource", row_type)

    def payload(self) -> bytes:
        from headrace import codec

        return bytes(codec.encode(self.rows))


class GeneratorSource(Source[Any]):
    """Made-up rows. count=0: endless; rows_per_second=0: as fast as it goes. Both are for the whole source, not a subtask.

    kind "sequence": the ints 0, 1, 2 …; "words": lines of words_per_row words from a skewed vocabulary of that many words.
    The same seed gives the same rows. column: of a sequence, makes typed rows with the number in this column; select() makes others
    of it, as in select(user=col("n") % 1000, t=from_epoch_ms(col("n") * 10)).
    """

    def __init__(
        self,
        count: int = 0,
        rows_per_second: int = 0,
        *,
        kind: Literal["sequence", "words"] = "sequence",
        column: str | None = None,
        vocabulary: int | None = None,
        words_per_row: int | None = None,
        seed: int | None = None,
    ) -> None:
        what = "GeneratorSource"
        options = {"count": _count(what, "count", count), "rows_per_second": _count(what, "rows_per_second", rows_per_second)}
        options["kind"] = _choice(what, "kind", kind, ("sequence", "words"))
        for name, value, least in (("vocabulary", vocabulary, 1), ("words_per_row", words_per_row, 1), ("seed", seed, 0)):
            if value is not None:
                options[name] = _count(what, name, value, least)
        super().__init__("generator", options, "generator", bounded=count > 0)
        if column is not None:
            if kind != "sequence":
                _refuse(what, f"kind {kind!r} makes lines of text; kind='sequence' has a column")
            self.row_type = _row_type(what, {_text(what, "column", column): "int64"})


_NEXMARK: dict[str, dict[str, str]] = {
    "bid": {
        "auction": "int64", "bidder": "int64", "price": "int64", "channel": "text", "url": "text", "date_time": "timestamp[ms]", "extra": "text",
    },
    "auction": {
        "id": "int64", "item_name": "text", "description": "text", "initial_bid": "int64", "reserve": "int64",
        "date_time": "timestamp[ms]", "expires": "timestamp[ms]", "seller": "int64", "category": "int64", "extra": "text",
    },
    "person": {
        "id": "int64", "name": "text", "email_address": "text", "credit_card": "text", "city": "text", "state": "text",
        "date_time": "timestamp[ms]", "extra": "text",
    },
}  # fmt: skip


class NexmarkSource(Source[Any]):
    """One stream of the Nexmark auction benchmark: "bid", "auction" or "person", typed rows with event times.

    events: of all three streams together (1 person, 3 auctions and 46 bids in 50; 0: endless), so that the streams of one job fit.
    events_per_second: of event time. disorder: events are shuffled within groups of so many. The same seed gives the same rows at any
    parallelism. columns: those to make; by default all.
    """

    def __init__(
        self,
        table: Literal["bid", "auction", "person"],
        events: int = 0,
        events_per_second: int = 10_000,
        *,
        columns: Iterable[str] | None = None,
        disorder: int = 1,
        seed: int = 42,
    ) -> None:
        from headrace.row_types import row_type

        what = "NexmarkSource"
        options = {"table": _choice(what, "table", table, tuple(_NEXMARK)), "events": _count(what, "events", events)}
        options["events_per_second"] = _count(what, "events_per_second", events_per_second, 1)
        options["disorder"] = _count(what, "disorder", disorder, 1)
        options["seed"] = _count(what, "seed", seed)
        chosen = list(_NEXMARK[table] if columns is None else columns)
        unknown = [c for c in chosen if c not in _NEXMARK[table]]
        if unknown:
            _refuse(what, f"table {table!r} has no column {unknown[0]!r}; it has {', '.join(_NEXMARK[table])}")
        super().__init__("nexmark", options, table, bounded=events > 0)
        self.row_type = row_type(what, {name: _NEXMARK[table][name] for name in chosen})
        for field in self.row_type.fields:
            field.nullable = False


class PrintSink(Sink):
    """Rows on the standard output of whoever runs the sink: the terminal when embedded, else the TaskManager's log."""

    def __init__(self, prefix: str = "") -> None:
        options = {"prefix": _text("PrintSink", "prefix", prefix)} if prefix != "" else {}
        super().__init__("print", options, "print")


class CollectSink(Sink):
    """Rows back into the program that runs the job; embedded runs only. DataStream.collect() is the short way."""

    def __init__(self) -> None:
        super().__init__("collection", {}, "collect")


class BlackholeSink(Sink):
    """Rows into nothing, counted."""

    def __init__(self) -> None:
        super().__init__("blackhole", {}, "blackhole")


KafkaSourceOperator = KafkaSource
KafkaSinkOperator = KafkaSink
