"""Hands a job file to a JobManager over REST."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import Any

from headrace.environment import JobResult
from headrace.errors import SubmitError
from headrace.job_graph import JobGraph

#: The JobManager answers within 15 s (10 s for slots, 5 s for tasks); uploads may be slow.
_TIMEOUT_S = 120


def _base_url(target: str) -> str:
    url = target if "://" in target else f"http://{target}"
    scheme, _, rest = url.partition("://")
    host = rest.split("/")[0]
    if scheme not in ("http", "https") or not host:
        raise SubmitError(f"{target!r} is no JobManager address; it looks like host:8081")
    return f"{scheme}://{host}" if ":" in host.rpartition("]")[2] or scheme == "https" else f"{scheme}://{host}:8081"


def _multipart(job_file: bytes, file_name: str) -> tuple[bytes, str]:
    boundary = "headrace-" + secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="job_file"; filename="{file_name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + job_file + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _refusal(base: str, status: int, body: bytes) -> SubmitError:
    try:
        problem = json.loads(body)
        text = str(problem.get("detail") or problem.get("title") or problem)
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace").strip()[:2000] or "no reason given"
    if status == 401:
        text += ". Hint: set HEADRACE_REST__TOKEN to a token of the JobManager"
    return SubmitError(f"{base} refused the job ({status}): {text}", status)


def _post(base: str, graph: JobGraph) -> dict[str, Any]:
    import urllib.error
    import urllib.request

    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in graph.graph.job_name) or "job"
    body, content_type = _multipart(graph.to_pickle(), name + ".pkl")
    headers = {"Content-Type": content_type, "Idempotency-Key": secrets.token_hex(16)}
    token = os.environ.get("HEADRACE_REST__TOKEN")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{base}/jobs/submit", body, headers, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({})) if _is_local(base) else urllib.request.build_opener()
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            answer = json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise _refusal(base, error.code, error.read()) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SubmitError(f"no JobManager answered at {base}: {reason}. Hint: headrace jobmanager starts one") from None
    if not isinstance(answer, dict) or "job_id" not in answer:
        raise SubmitError(f"{base} is no JobManager: its answer has no job_id")
    return answer


def _is_local(base: str) -> bool:
    host = base.partition("://")[2].rpartition(":")[0] or base.partition("://")[2]
    return host in ("localhost", "127.0.0.1", "[::1]")


def submit_job(target: str, graph: JobGraph) -> JobResult:
    """Submits, prints the job's id on stdout and warnings and the next command on stderr. SubmitError if it is not accepted."""
    base = _base_url(target)
    answer = _post(base, graph)
    for warning in answer.get("warnings") or []:
        print(f"warning: {warning}", file=sys.stderr)
    print(answer["job_id"], flush=True)
    address = base.partition("://")[2]
    print(f"status: {answer.get('status', 'unknown')}\nnext: headrace status {answer['job_id']} -m {address}", file=sys.stderr)
    return JobResult(str(answer["job_id"]), str(answer.get("status", "")), {})
