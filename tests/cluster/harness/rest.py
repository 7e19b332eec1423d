"""REST as curl speaks it, and raw bytes for what curl would not send."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """The problem document, checked: what a person reads is one short sentence, with a code and a hint."""
        assert self.content_type.split(";")[0] == "application/problem+json", (
            f"{self.status} {self.content_type}: {self.body[:300]!r}"
        )
        problem: dict[str, Any] = self.json()
        assert problem["status"] == self.status
        detail = problem["detail"]
        assert 10 < len(detail) < 400 and "\n" not in detail, detail
        assert not any(word in detail for word in ("arrow::", ".cc:", "Traceback", "terminate called")), detail
        assert problem["code"].startswith("HR") and problem["hint"]
        return problem


def multipart(fields: dict[str, bytes | str], file_field: str = "job_file") -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        disposition = f'form-data; name="{name}"' + ('; filename="job.pkl"' if name == file_field else "")
        content = value.encode() if isinstance(value, str) else value
        parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Rest:
    def __init__(self, port: int) -> None:
        self.port = port

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, within_s: float = 60.0
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.getheader("Content-Type") or "", response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        answer = self.send("GET", path)
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def submit(self, job_file: Path | bytes, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        content = job_file if isinstance(job_file, bytes) else job_file.read_bytes()
        body, content_type = multipart({"job_file": content} | fields)
        return self.send("POST", "/jobs/submit", body, {"Content-Type": content_type} | (headers or {}))

    def raw(self, data: bytes, within_s: float = 60.0) -> bytes:
        """Sends the bytes as they are and reads until the server closes or one whole answer has come."""
        with socket.create_connection(("127.0.0.1", self.port), within_s) as s:
            try:
                s.sendall(data)
            except OSError:
                pass  # an early refusal closes before everything is sent
            return read_answer(s)


def read_answer(s: socket.socket) -> bytes:
    """One HTTP answer from an open connection, or what came before it closed."""
    got = b""
    while True:
        head, separator, rest = got.partition(b"\r\n\r\n")
        if separator:
            length = next(
                (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None
            )
            if length is not None and len(rest) >= length:
                return got
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            return got
        if not more:
            return got
        got += more


def parse_answer(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), f"no HTTP answer: {data[:200]!r}"
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers.get("content-type", ""), body)
