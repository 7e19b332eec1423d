"""Waiting for conditions, with a reason when they do not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotInTime(AssertionError):
    """A condition did not come true in time."""


def eventually(condition: Callable[[], T | None], what: str, within_s: float = 30.0, every_s: float = 0.02) -> T:
    """The first true answer of `condition`. Exceptions of type OSError and AssertionError count as not yet."""
    deadline = time.monotonic() + within_s
    last: object = None
    tick = threading.Event()
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            last = answer
        except (OSError, AssertionError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise NotInTime(f"{what}: not within {within_s:g} s; last answer: {last!r}")
        tick.wait(every_s)


def seconds_until(condition: Callable[[], object], what: str, within_s: float) -> float:
    """How long it took until `condition` was true."""
    start = time.monotonic()
    eventually(condition, what, within_s)
    return time.monotonic() - start
