"""The job file: what ``pickle.dump(env.get_job_graph(), f)`` writes; docs/formats/job_file.md."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from headrace.errors import JobValueError

MAGIC: Final = b"HEADRACE"
FORMAT_VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024
_SHA_AT, _HEADER_AT = 12, 48


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data[:_SHA_AT] + data[_SHA_AT + 32 :]).digest()


class JobGraph:
    """A job as bytes: header and protobuf graph. Immutable; pickles (protocol 3 to 5) as itself over one bytes argument.

    The engine checks the graph; this class checks only that the bytes are whole.
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @classmethod
    def from_parts(cls, header: bytes, graph: bytes) -> JobGraph:
        """From an encoded plan.JobFileHeader and plan.JobGraph. JobValueError beyond 64 MiB."""
        data = MAGIC + struct.pack("<I", FORMAT_VERSION) + bytes(32) + struct.pack("<I", len(header)) + header + graph
        if len(data) > MAX_BYTES - 4096:
            raise JobValueError(
                f"the job file would have {len(data) / 2**20:.1f} MiB; 64 MiB is the limit. Ship large files another way and keep collections small"
            )
        return cls(data[:_SHA_AT] + _digest(data) + data[_SHA_AT + 32 :])

    @classmethod
    def from_bytes(cls, data: bytes) -> JobGraph:
        """Reads a job file (a pickle) or the bytes inside one; runs no code of the file. JobValueError if they are not whole."""
        if data[:8] != MAGIC:
            data = _unwrap(data)
        if len(data) < _HEADER_AT or data[:8] != MAGIC:
            raise JobValueError("not a Headrace job file")
        (version,) = struct.unpack_from("<I", data, 8)
        if version != FORMAT_VERSION:
            raise JobValueError(f"the job file has format version {version}; this package reads {FORMAT_VERSION}")
        if _digest(data) != data[_SHA_AT : _SHA_AT + 32]:
            raise JobValueError("the job file is damaged: its checksum does not match")
        return cls(data)

    def to_bytes(self) -> bytes:
        """The bytes inside the pickle."""
        return self._data

    def to_pickle(self) -> bytes:
        """The job file."""
        return pickle.dumps(self, 5)

    def write(self, path: str | Path) -> None:
        """Writes the job file."""
        Path(path).write_bytes(self.to_pickle())

    def _parts(self) -> tuple[bytes, bytes]:
        (length,) = struct.unpack_from("<I", self._data, _HEADER_AT - 4)
        if length > len(self._data) - _HEADER_AT:
            raise JobValueError("the job file is damaged: its header goes beyond its end")
        return self._data[_HEADER_AT : _HEADER_AT + length], self._data[_HEADER_AT + length :]

    @property
    def header(self) -> Any:
        """A decoded plan.JobFileHeader (a copy)."""
        from headrace._proto import plan_pb2

        return plan_pb2.JobFileHeader.FromString(self._parts()[0])

    @property
    def graph(self) -> Any:
        """A decoded plan.JobGraph (a copy)."""
        from headrace._proto import plan_pb2

        return plan_pb2.JobGraph.FromString(self._parts()[1])

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[bytes]]:
        if protocol < 3:
            raise JobValueError("a job file needs pickle protocol 3 or later")
        return JobGraph, (self._data,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobGraph) and other._data == self._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"<JobGraph {self.graph.job_name!r}, {len(self._data)} bytes>"


class _OnlyJobGraphs(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("headrace.job_graph", "JobGraph"):
            return JobGraph
        raise pickle.UnpicklingError(f"not a Headrace job file: it names {module}.{name}")


def _unwrap(data: bytes) -> bytes:
    import io

    try:
        loaded = _OnlyJobGraphs(io.BytesIO(data)).load()
    except Exception as error:  # damaged pickles raise nearly anything
        raise JobValueError(f"not a Headrace job file: {error}") from error
    if not isinstance(loaded, JobGraph) or not isinstance(loaded._data, bytes):
        raise JobValueError("not a Headrace job file")
    return loaded._data
