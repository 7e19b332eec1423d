"""What a worker says of a failure: the user's frames, line and row, and none of ours."""

from __future__ import annotations

import os
from typing import Any


class UserError(Exception):
    """What user code raised (as __cause__), by which operator, at which row."""

    def __init__(self, operator: Any, row: Any, has_row: bool) -> None:
        super().__init__()
        self.operator = operator
        self.row = row
        self.has_row = has_row


class AtValue(Exception):
    """What user code raised (as __cause__) at one value of those that a call was given."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep


def _is_user_file(file: str) -> bool:
    return not file.startswith((_PACKAGE, _LIBRARY, "<frozen")) and "site-packages" not in file


def report(error: BaseException) -> dict[str, Any]:
    """The error as a FAILED body: user frames only, the user's line, the failing row."""
    operator: Any = None
    row: Any = None
    has_row = False
    if isinstance(error, UserError):
        operator, row, has_row = error.operator, error.row, error.has_row
        error = error.__cause__ or error
    file, line, code, text = _trace(error)
    function = getattr(getattr(operator, "function", None), "__code__", None)
    if not file and function is not None:
        import linecache

        file, line = function.co_filename, function.co_firstlineno
        code = linecache.getline(file, line).strip()
    return {
        "type": type(error).__qualname__, "message": _text(str, error)[:4000], "traceback": text, "file": file, "line": line, "code": code[:200],
        "uid": operator.uid if operator else "", "name": operator.name if operator else "", "row": _text(repr, row[:200] if type(row) in (str, bytes) else row)[:200] if has_row else "",
    }  # fmt: skip


def _text(render: Any, value: Any) -> str:
    try:
        text: str = render(value)
    except BaseException as error:
        text = f"<{type(value).__name__} whose text raises {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def _trace(error: BaseException) -> tuple[str, int, str, str]:
    """(file, line, code) of the innermost frame in the user's files, and the traceback without our frames."""
    import traceback

    try:
        trace = traceback.TracebackException.from_exception(error)
    except BaseException:
        return "", 0, "", type(error).__qualname__
    file, line, code = "", 0, ""
    for frame in trace.stack:
        if _is_user_file(frame.filename):
            file, line, code = frame.filename, frame.lineno or 0, frame.line or ""
    part: traceback.TracebackException | None = trace
    while part is not None:
        part.stack[:] = [f for f in part.stack if not f.filename.startswith((_PACKAGE, "<frozen"))]
        part = part.__cause__ or part.__context__
    return file, line, code, _text(str, "".join(trace.format()))[-20_000:]
