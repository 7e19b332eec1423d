"""Native process functions: classes in C++ in shared libraries, named in a job.

    rows.group_by("user").process(native("sessions", "visits", gap_ms=1000), returns={"user": int, "clicks": int})

``python -m headrace.native_functions`` prints the folder of the headers that they are built with.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from headrace.errors import JobTypeError, JobValueError
from headrace.location import here

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
_MOST_OPTIONS = 64 << 10


class NativeFunction:
    """A function of a shared library, by name; made by native()."""

    __slots__ = ("function", "library", "options")

    def __init__(self, library: str, function: str, options: str) -> None:
        self.library, self.function, self.options = library, function, options


def native(library: str, function: str, **options: Any) -> NativeFunction:
    """The process function `function` of lib<library>.so in the folder that taskmanager.native_libraries names on every TaskManager.
    options: what its Open() gets, as JSON. Goes into process() of typed rows by key columns, with returns=."""
    what = f"native ({here()})"
    for name, value in (("library", library), ("function", function)):
        if not isinstance(value, str):
            raise JobTypeError(f"{what}: the {name} is a str, not {type(value).__name__}")
        if not _NAME.fullmatch(value):
            raise JobValueError(f"{what}: the {name} is {value[:100]!r}; a name has letters, digits, _ and -, and is no path")
    try:
        text = json.dumps(options, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise JobTypeError(f"{what}: its options must be JSON: {error}") from None
    if len(text.encode()) > _MOST_OPTIONS:
        raise JobValueError(f"{what}: its options have more than {_MOST_OPTIONS} bytes as JSON")
    return NativeFunction(library, function, text)


def include_dir() -> str:
    """The folder to give to the compiler by -I."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


if __name__ == "__main__":
    print(include_dir())
