"""Requests that are no proper HTTP or come from elsewhere: a 4xx, and the next request is served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster
from harness.job_files import job_file
from harness.rest import Answer, multipart, parse_answer, read_answer


@pytest.fixture(scope="module")
def _module_folder(run_folder: Path) -> Path:
    folder = run_folder / "refused-requests"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def alone(_module_folder: Path, broker: Any, postgres: Any) -> Iterator[Cluster]:
    """A JobManager without TaskManagers, shared by this file."""
    cluster = Cluster(_module_folder, postgres.database(), broker.address)
    cluster.start(task_managers=0)
    yield cluster
    cluster.manager.check_alive()
    cluster.stop()


@pytest.fixture(autouse=True)
def lives_on(alone: Cluster) -> Iterator[None]:
    yield
    alone.manager.check_alive()
    assert alone.metrics()["total_jobs"] == 0


def expect(answer: Answer, *status: int) -> dict[str, Any]:
    assert answer.status in status, f"{answer.status} {answer.body[:500]!r}"
    return answer.problem()


def post(cluster: Cluster, body: bytes, content_type: str | None) -> Answer:
    return cluster.rest.send("POST", "/jobs/submit", body, {"Content-Type": content_type} if content_type else {})


def test_malformed_multipart(alone: Cluster) -> None:
    body, content_type = multipart({"job_file": b"x" * 100})
    boundary = content_type.partition("boundary=")[2]
    expect(post(alone, body[: len(body) // 2], content_type), 400)
    expect(post(alone, body.replace(b"\r\n\r\n", b"\r\n", 1), content_type), 400)
    expect(post(alone, b"", content_type), 400)
    expect(post(alone, b"\x00" * 5000, content_type), 400)
    expect(post(alone, body, "multipart/form-data"), 400, 415)
    expect(post(alone, body, f"multipart/form-data; boundary={boundary}x"), 400)
    expect(post(alone, body, "multipart/form-data; boundary=" + "b" * 200), 400)
    expect(post(alone, multipart({"job_name": "x"})[0], content_type), 400)
    missing, missing_type = multipart({"job_name": "x"})
    assert "job_file" in expect(post(alone, missing, missing_type), 400)["detail"]
    unknown, unknown_type = multipart({"other": "x", "job_file": b"x"})
    assert "other" in expect(post(alone, unknown, unknown_type), 400)["detail"]
    many, many_type = multipart({f"field{n}": "x" for n in range(2000)} | {"job_file": b"x"})
    expect(post(alone, many, many_type), 400, 413)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", None]
)
def test_wrong_content_type(alone: Cluster, content_type: str | None) -> None:
    expect(post(alone, b"{}", content_type), 415)


def test_oversized_headers(alone: Cluster) -> None:
    host = f"Host: 127.0.0.1:{alone.rest_port}\r\n"
    for head in (f"X-Long: {'a' * 100_000}\r\n", "".join(f"X-{n}: y\r\n" for n in range(20_000))):
        answer = parse_answer(alone.rest.raw(f"GET /jobs HTTP/1.1\r\n{host}{head}\r\n".encode()))
        expect(answer, 431)
    answer = parse_answer(alone.rest.raw(f"GET /{'a' * 200_000} HTTP/1.1\r\n{host}\r\n".encode()))
    expect(answer, 400, 414, 431)


def test_bytes_that_are_no_http(alone: Cluster) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 10_000,
    ):
        got = alone.rest.raw(data, within_s=30)
        assert got == b"" or 400 <= parse_answer(got).status < 600


def test_ambiguous_length_is_not_guessed(alone: Cluster) -> None:
    head = f"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1:{alone.rest_port}\r\n"
    for lengths in (
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ):
        answer = parse_answer(alone.rest.raw(f"{head}{lengths}\r\nhello".encode(), within_s=30))
        assert 400 <= answer.status < 500, lengths


def test_body_that_is_announced_too_large_is_refused_before_it_is_sent(alone: Cluster) -> None:
    head = f"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1:{alone.rest_port}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {10 << 30}\r\n\r\n"
    expect(parse_answer(alone.rest.raw(head.encode(), within_s=30)), 413)


def test_slow_body_is_given_up_while_others_are_served(alone: Cluster) -> None:
    head = f"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1:{alone.rest_port}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x"
    with socket.create_connection(("127.0.0.1", alone.rest_port), 60) as slow:
        slow.sendall(head.encode())
        assert alone.metrics()["total_slots"] == 0, "served while the slow one is open"
        expect(parse_answer(read_answer(slow)), 408)


def test_dripping_body_is_given_up(alone: Cluster) -> None:
    """One byte now and then keeps no connection for ever."""
    head = f"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1:{alone.rest_port}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n"
    done = threading.Event()
    with socket.create_connection(("127.0.0.1", alone.rest_port), 60) as slow:
        slow.sendall(head.encode())

        def drip() -> None:
            while not done.wait(0.5):
                try:
                    slow.sendall(b"x")
                except OSError:
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            got = read_answer(slow)
        finally:
            done.set()
            dripper.join()
    assert got == b"" or parse_answer(got).status == 408


def test_many_open_connections_do_not_shut_others_out(alone: Cluster) -> None:
    idle = [socket.create_connection(("127.0.0.1", alone.rest_port), 10) for _ in range(200)]
    try:
        assert alone.metrics()["total_slots"] == 0
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8081"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda h: "-".join(f"{k}={v}" for k, v in h.items()).replace("/", "_"),
)
def test_foreign_requests_are_refused_without_a_token(alone: Cluster, headers: dict[str, str]) -> None:
    for method, path in (
        ("GET", "/jobs"),
        ("GET", "/cluster/metrics"),
        ("POST", "/jobs/submit"),
        ("POST", f"/jobs/{'0' * 32}/cancel"),
    ):
        expect(alone.rest.send(method, path, headers=headers), 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_own_names_are_served(alone: Cluster, host: str) -> None:
    headers = {"Host": f"{host}:{alone.rest_port}", "Origin": f"http://{host}:{alone.rest_port}", "Sec-Fetch-Site": "same-origin"}
    assert alone.rest.send("GET", "/jobs", headers=headers).status == 200


def test_job_without_any_task_manager_is_told_the_numbers(alone: Cluster, _module_folder: Path) -> None:
    answer = alone.rest.submit(job_file(_module_folder, "generated", parallelism=2))
    assert "need 2 slots, 0 free" in expect(answer, 409)["detail"]


def test_paths_and_methods_that_do_not_exist(alone: Cluster) -> None:
    expect(alone.rest.send("GET", "/no/such/path"), 404)
    expect(alone.rest.send("DELETE", "/jobs/submit"), 405)
    expect(alone.rest.send("GET", "/jobs/not-an-id"), 400, 404)
    expect(alone.rest.send("GET", f"/jobs/{'a' * 32}"), 404)
    expect(alone.rest.send("GET", "/%zz"), 400)
