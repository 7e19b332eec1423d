"""Values, keys and batch blocks as bytes, in Python alone: the twin of the extension module ``headrace._codec``.

The formats are docs/formats/value.md and the batch block of docs/formats/worker.md; both twins run the same golden
vectors. The extension calls ``encode_other``, ``decode_other``, ``describe_type``, ``build_dataclass`` and
``encode_key_other`` below for everything that is not a plain builtin type.

Errors: ``ValueError`` for malformed bytes and for values that no encoding can carry, ``TypeError`` for what cannot be a key.
Thread: any one at a time (the registry of classes is global).
"""

from headrace.codec_py.arena import Arena
from headrace.codec_py.blocks import (
    ABSENT,
    ROLE_COLUMN,
    ROLE_COUNTS,
    ROLE_GROUP,
    ROLE_KEY,
    ROLE_STATE,
    ROLE_VALUE,
    decode_block,
    encode_block,
)
from headrace.codec_py.classes import build_dataclass, clear_types, describe_type, register_type
from headrace.codec_py.keys import encode_key, encode_key_other
from headrace.codec_py.values_decode import decode, decode_other
from headrace.codec_py.values_encode import encode, encode_other

__all__ = [
    "ABSENT",
    "ROLE_COLUMN",
    "ROLE_COUNTS",
    "ROLE_GROUP",
    "ROLE_KEY",
    "ROLE_STATE",
    "ROLE_VALUE",
    "Arena",
    "build_dataclass",
    "clear_types",
    "decode",
    "decode_block",
    "decode_other",
    "describe_type",
    "encode",
    "encode_block",
    "encode_key",
    "encode_key_other",
    "encode_other",
    "register_type",
]
