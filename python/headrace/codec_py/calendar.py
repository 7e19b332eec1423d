"""Classes of the standard library that have a tag, and the limits of the encodings."""

from __future__ import annotations

import sys
from typing import Any, Final

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
#: Containers that may be open around a value or a key.
MAX_DEPTH: Final = 100


class Types:
    """Classes of the standard library that have a tag, imported when the first value needs them."""

    def __init__(self) -> None:
        from datetime import date, datetime, time, timedelta, timezone

        self.datetime, self.date, self.time, self.timedelta, self.timezone = datetime, date, time, timedelta, timezone
        self.microsecond = timedelta(microseconds=1)
        self.day_zero = date(1970, 1, 1).toordinal()
        self.epoch = datetime(1970, 1, 1)
        self.utc_epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)


_types_made: Types | None = None


def calendar_types() -> Types:
    global _types_made
    if _types_made is None:
        _types_made = Types()
    return _types_made


def class_of(module: str, name: str) -> Any:
    """The class if its module is loaded; a value of it cannot exist otherwise."""
    loaded = sys.modules.get(module)
    return None if loaded is None else getattr(loaded, name)


def time_us(value: Any) -> int:
    us: int = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return us
