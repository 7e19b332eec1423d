"""Counts and signed integers as LEB128."""

from __future__ import annotations


def varint(n: int) -> bytes:
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n: int) -> bytes:
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def counted(data: bytes) -> bytes:
    return varint(len(data)) + data
