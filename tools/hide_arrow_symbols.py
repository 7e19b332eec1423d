"""Copies the Arrow C++ libraries of the installed pyarrow wheel and hides the third-party symbols they leak.

Usage: python hide_arrow_symbols.py DEST [LIBRARY...]     (run it with the Python that has pyarrow)

The wheel exports whole copies of OpenSSL, RE2 and simdjson. Beside Debian's own libraries (gRPC pulls in RE2 and
OpenSSL) the dynamic linker mixes the two, which crashes or silently returns wrong results. In the copies every
exported symbol that is neither Arrow's nor Parquet's, nor needed by a sibling library, becomes STV_HIDDEN, which
the dynamic linker skips. Headrace links and ships these copies only.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

DEFAULT_LIBRARIES = ["arrow"]
SHT_DYNSYM = 11
STV_HIDDEN = 2
OURS_MANGLED = re.compile(r"arrow|parquet|^_ZN?K?S[tabsdio]|^_ZT[VISH]N?S|^_ZGV|^_ZZ", re.IGNORECASE)
OURS_PLAIN = re.compile(r"arrow|parquet", re.IGNORECASE)


def dynamic_symbols(image: bytearray) -> Iterator[tuple[int, str, int, int]]:
    """Yields (file offset, name, st_other, section index) of each dynamic symbol of a 64-bit little-endian ELF file."""
    (section_offset,) = struct.unpack_from("<Q", image, 40)
    entry_size, count, _ = struct.unpack_from("<HHH", image, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, section_offset + i * entry_size) for i in range(count)]
    table = next(s for s in sections if s[1] == SHT_DYNSYM)
    strings = sections[table[6]][4]
    for at in range(table[4], table[4] + table[5], 24):
        name, _info, other, section, _value, _size = struct.unpack_from("<IBBHQQ", image, at)
        start = strings + name
        yield at, bytes(image[start : image.index(b"\0", start)]).decode(), other, section


def must_stay_visible(name: str) -> bool:
    return bool((OURS_MANGLED if name.startswith("_Z") else OURS_PLAIN).search(name))


def main(destination: str, libraries: list[str]) -> None:
    spec = importlib.util.find_spec("pyarrow")
    if spec is None or spec.origin is None:
        sys.exit("hide_arrow_symbols: pyarrow is not installed for this Python; run ./dev build")
    source = os.path.dirname(spec.origin)
    os.makedirs(destination, exist_ok=True)
    paths = [path for library in libraries for path in glob.glob(f"{source}/lib{library}.so.*")]
    images = {path: bytearray(Path(path).read_bytes()) for path in paths}
    imported = {path: {n for _, n, _, section in dynamic_symbols(image) if section == 0} for path, image in images.items()}
    for path, image in images.items():
        by_siblings = set().union(*(names for other, names in imported.items() if other != path))
        for at, name, other, section in list(dynamic_symbols(image)):
            exported = section != 0 and name and name not in ("_init", "_fini")
            if exported and name not in by_siblings and not must_stay_visible(name):
                image[at + 5] = other & ~3 | STV_HIDDEN
        target = os.path.join(destination, os.path.basename(path))
        with open(target + ".new", "wb") as out:
            out.write(image)
        os.replace(target + ".new", target)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] or DEFAULT_LIBRARIES)
