"""The codec in use: the extension module where it was built, else its pure twin."""

from __future__ import annotations

try:
    from headrace._codec import Arena, decode, decode_block, encode, encode_block, encode_key, keep_freed_memory

    NATIVE = True
except ImportError:
    from headrace.codec_py import Arena, decode, decode_block, encode, encode_block, encode_key  # type: ignore[assignment]

    def keep_freed_memory() -> None:
        pass

    NATIVE = False
from headrace.codec_py import ABSENT, register_type

__all__ = [
    "ABSENT",
    "NATIVE",
    "Arena",
    "decode",
    "decode_block",
    "encode",
    "encode_block",
    "encode_key",
    "keep_freed_memory",
    "register_type",
]
