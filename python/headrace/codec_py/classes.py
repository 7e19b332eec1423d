"""Dataclasses that travel by name."""

from __future__ import annotations

import sys
from typing import Any

from headrace.codec_py.varint import counted, varint

_registered: dict[str, type] = {}


def register_type(cls: type) -> None:
    """Makes a dataclass decodable by name though no import finds it: one defined in ``__main__`` or in a local module."""
    _registered[f"{cls.__module__}:{cls.__qualname__}"] = cls
    clear_types()
    native = sys.modules.get("headrace._codec")
    if native is not None:
        native.clear_types()


def _find_class(name: str, allow_import: bool) -> Any:
    found = _registered.get(name)
    if found is not None:
        return found
    module, _, qualname = name.partition(":")
    if module not in sys.modules:
        if not allow_import:
            return None
        try:
            __import__(module)
        except ImportError:
            return None
    target: Any = sys.modules[module]
    for part in qualname.split("."):
        target = getattr(target, part, None)
    return target


def find_class(name: str) -> Any:
    """The class "module:qualname", registered or imported. TypeError if there is none."""
    found = _find_class(name, allow_import=True)
    if not isinstance(found, type):
        raise TypeError(
            f"the class {name.replace(':', '.')} cannot be found by the workers: define it where the job's functions are, or in a module that they can import"
        )
    return found


descriptions: dict[type, tuple[bytes, tuple[tuple[str, bytes], ...]] | None] = {}


def describe_type(cls: type) -> tuple[bytes, tuple[tuple[str, bytes], ...]] | None:
    """How to encode a dataclass: the bytes before its fields, and each field's name with its encoded form; None: not by name."""
    fields = cls.__dict__.get("__dataclass_fields__")
    if fields is None or isinstance(cls, type) is False:
        return None
    name = f"{cls.__module__}:{cls.__qualname__}"
    if cls.__module__ == "__main__" and name not in _registered:
        return None  # another process has another __main__
    if _find_class(name, allow_import=False) is not cls:
        return None
    names = list(_fields_of(cls))
    head = b"\x13" + counted(name.encode()) + varint(len(names))
    return head, tuple((n, counted(n.encode())) for n in names)


def build_dataclass(name: str, fields: list[tuple[str, Any]]) -> Any:
    """An instance with these fields, made without running ``__init__``; a field that is not among them takes its default.
    ValueError if the class or a field does not exist, or one without a default is missing: no half-made instance gets out."""
    cls = _find_class(name, allow_import=True)
    known = _own_fields.get(cls) if isinstance(cls, type) else None
    if known is None:
        known = _learn_fields(name, cls)
    instance = object.__new__(cls)
    given = dict(fields)
    for field in given:
        if field not in known:
            raise ValueError(f"dataclass {name} has no field {field!r}")
        object.__setattr__(instance, field, given[field])
    if len(given) < len(fields):
        raise ValueError(f"dataclass {name} has a field twice")
    if len(given) < len(known):
        _take_defaults(instance, name, [about for field, about in known.items() if field not in given])
    return instance


_own_fields: dict[type, dict[str, Any]] = {}  # what an instance holds, by name


def _fields_of(cls: type) -> dict[str, Any]:
    """The fields that instances of a dataclass hold: InitVar and ClassVar pseudo-fields are no part of them."""
    fields: dict[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return {name: f for name, f in fields.items() if getattr(f._field_type, "name", "") == "_FIELD"}


def _learn_fields(name: str, cls: Any) -> dict[str, Any]:
    if not isinstance(cls, type) or not hasattr(cls, "__dataclass_fields__"):
        raise ValueError(f"no dataclass {name} can be imported here")
    return _own_fields.setdefault(cls, _fields_of(cls))


def _take_defaults(instance: Any, name: str, missing: list[Any]) -> None:
    from dataclasses import MISSING

    for field in missing:
        if field.default is not MISSING:
            object.__setattr__(instance, field.name, field.default)
        elif field.default_factory is not MISSING:
            object.__setattr__(instance, field.name, field.default_factory())
        else:
            raise ValueError(f"dataclass {name} needs its field {field.name!r}, and the bytes have no value for it")


def clear_types() -> None:
    """Forgets what was learned about classes, after one was registered."""
    descriptions.clear()
    _own_fields.clear()
