"""The ``headrace`` command: becomes the C++ binary."""

from __future__ import annotations

import os
import sys

from headrace.engine import find_engine
from headrace.errors import EngineNotFound


def main() -> None:
    """Replaces this process by the binary with the same arguments; exit code 1 with a hint if there is none."""
    try:
        binary = find_engine()
    except EngineNotFound as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    os.environ.setdefault("HEADRACE_PYTHON__EXECUTABLE", sys.executable)
    try:
        os.execv(binary, [binary, *sys.argv[1:]])
    except OSError as error:
        print(f"error: {binary} could not be started: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
