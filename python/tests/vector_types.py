"""Classes that the golden vectors name; their names are part of the encoded bytes."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, ClassVar, NamedTuple


@dataclass
class Point:
    x: int
    y: float


@dataclass(frozen=True)
class City:
    country: str
    zip_code: int
    capital: ClassVar[str] = ""  # no part of an instance


@dataclass(frozen=True)
class Tree:
    left: Any
    right: Any


@dataclass
class Visit:
    city: str
    minutes: int = 0
    guests: list[str] = field(default_factory=list)


class Color(Enum):
    RED = 1
    BLUE = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Pair(NamedTuple):
    a: int
    b: str
