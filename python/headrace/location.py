"""Where in the user's program something was written."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Location:
    """File as the interpreter named it, line (1-based), and that line's text, trimmed; empty where unknown."""

    __slots__ = ("code", "file", "line")

    def __init__(self, file: str = "", line: int = 0, code: str = "") -> None:
        self.file, self.line, self.code = file, line, code

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "unknown place"


def here() -> Location:
    """The first frame outside this package."""
    frame = sys._getframe(1)
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        if frame.f_back is None:
            return Location()
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    import linecache

    return Location(file, line, linecache.getline(file, line, frame.f_globals).strip()[:200])
