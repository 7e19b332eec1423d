"""Builds the codec extension (limited API: one binary for Python 3.10 and later) and the protobuf module."""

import os
import subprocess
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).resolve().parent
SOURCES = [
    "module.c",
    "writer.c",
    "hooks.c",
    "value_encode.c",
    "value_decode.c",
    "key_encode.c",
    "batch_block.c",
    "column_view.c",
    "arena.c",
]


def generate_proto() -> None:
    """Runs protoc if the generated module is missing or older than the proto file."""
    proto = HERE.parent / "proto" / "plan.proto"
    generated = HERE / "headrace" / "_proto" / "plan_pb2.py"
    if not proto.exists() or (generated.exists() and generated.stat().st_mtime >= proto.stat().st_mtime):
        return
    subprocess.run([str(HERE.parent / "tools" / "generate_python_proto.sh")], check=True)


generate_proto()
os.chdir(HERE)
setup(
    ext_modules=[
        Extension(
            "headrace._codec",
            sources=[f"native/{name}" for name in SOURCES],
            depends=["native/codec.h"],
            py_limited_api=True,
            extra_compile_args=["-O3", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden", "-Wno-cast-function-type"],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
