"""User functions as bytes, and back inside a worker.

The bytes are a cloudpickle of ``(function, extras)``; extras carries what a worker on another machine lacks:
``types``, the dataclasses of ``__main__`` and of the job's own modules, so that their instances travel by name, and
``sources``, the text of the user's files, so that tracebacks show lines. A pickled callable alone is accepted too.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

_MAX_SOURCE_BYTES = 256 * 1024


#: Held while cloudpickle's list of modules that go by value, one for the process, is a job's.
_by_value: Final = threading.Lock()


def pack_function(function: Callable[..., Any], own_modules: Iterable[ModuleType]) -> bytes:
    """own_modules: the modules that travel by value, ``__main__`` among them if it is the job. Raises whatever the pickling of the function raises."""
    import cloudpickle

    modules = list(own_modules)
    with _by_value:
        known = cloudpickle.list_registry_pickle_by_value()
        named = [m for m in modules if m.__name__ not in ("__main__", *known) and sys.modules.get(m.__name__) is m]
        for module in named:
            cloudpickle.register_pickle_by_value(module)
        try:
            extras = {"types": _own_dataclasses(modules), "sources": _sources(function, modules)}
            return bytes(cloudpickle.dumps((function, extras), 5))
        finally:
            for module in named:
                cloudpickle.unregister_pickle_by_value(module)


def unpack_function(pickled: bytes) -> Callable[..., Any]:
    """The function; registers the classes and sources that came with it. Raises what unpickling raises."""
    import pickle

    loaded = pickle.loads(pickled)
    if not isinstance(loaded, tuple):
        function: Callable[..., Any] = loaded
        return function
    function, extras = loaded
    from headrace.codec import register_type

    for cls in extras["types"]:
        register_type(cls)
    if extras["sources"]:
        _register_sources(extras["sources"])
    return function


def describe(function: Callable[..., Any]) -> str:
    """A short name for people: ``<lambda>``, ``parse``, ``str.split``."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).replace("<locals>.", "")


def _own_dataclasses(modules: Iterable[ModuleType]) -> list[type]:
    import cloudpickle

    found = []
    for module in modules:
        for item in list(vars(module).values()):
            if not isinstance(item, type) or item.__module__ != module.__name__ or "__dataclass_fields__" not in vars(item):
                continue
            try:
                cloudpickle.dumps(item, 5)
            except Exception:  # a class attribute's own __reduce__ may raise anything
                continue  # its instances are pickled one by one, or refused by name where they are used
            found.append(item)
    return found


def _sources(function: Callable[..., Any], modules: Iterable[ModuleType]) -> dict[str, str]:
    files = {getattr(module, "__file__", None) for module in modules}
    code = getattr(function, "__code__", None)
    if code is not None:
        files.add(code.co_filename)
    texts: dict[str, str] = {}
    for file in files:
        if not file or file.startswith("<") or file.startswith((sys.prefix, sys.base_prefix)):
            continue
        try:
            with open(file, encoding="utf-8") as f:
                text = f.read(_MAX_SOURCE_BYTES + 1)
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) <= _MAX_SOURCE_BYTES:
            texts[file] = text
    return texts


def _register_sources(sources: dict[str, str]) -> None:
    import linecache

    for file, text in sources.items():
        if file not in linecache.cache:
            linecache.cache[file] = (len(text), None, text.splitlines(True), file)
