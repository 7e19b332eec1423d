"""Keeps field numbers for ever: what proto/fields.txt lists must still be there with the same number, name and type, or be reserved.

check_proto.py [--write]    --write adds the fields that are new; it refuses while a listed one has changed
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[1]


def descriptors(folder: Path) -> FileDescriptorSet:
    with tempfile.NamedTemporaryFile() as out:
        protos = sorted(f"{folder.name}/{p.name}" for p in folder.glob("*.proto"))
        subprocess.run(["protoc", f"-I{folder.parent}", f"--descriptor_set_out={out.name}", *protos], check=True)
        return FileDescriptorSet.FromString(Path(out.name).read_bytes())


def values_of(enum: EnumDescriptorProto, name: str) -> Iterator[tuple[str, str]]:
    for value in enum.value:
        yield f"{name} {value.number}", f"value {value.name}"


def fields_of(message: DescriptorProto, name: str) -> Iterator[tuple[str, str]]:
    """("plan.Operator 3", "string name"), also of nested messages; reserved numbers as "reserved"."""
    for field in message.field:
        kind = field.type_name.lstrip(".") or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        many = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
        yield f"{name} {field.number}", f"{many}{kind} {field.name}"
    for gone in message.reserved_range:
        for number in range(gone.start, gone.end):
            yield f"{name} {number}", "reserved"
    for enum in message.enum_type:
        yield from values_of(enum, f"{name}.{enum.name}")
    for nested in message.nested_type:
        yield from fields_of(nested, f"{name}.{nested.name}")


def present(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in descriptors(folder).file:
        for message in file.message_type:
            found.update(fields_of(message, f"{file.package}.{message.name}"))
        for enum in file.enum_type:
            found.update(values_of(enum, f"{file.package}.{enum.name}"))
    return found


def main(folder: Path, write: bool) -> int:
    listed_in = folder / "fields.txt"
    listed = dict(line.split(": ", 1) for line in listed_in.read_text().splitlines()) if listed_in.exists() else {}
    now = present(folder)
    changed = [
        f'{key} was "{was}", is "{now.get(key, "gone")}"' for key, was in listed.items() if now.get(key) not in (was, "reserved")
    ]
    for line in changed:
        print(
            f"check_proto: {line}. A number keeps its meaning: give the new field a new one, and `reserved` to the old one.",
            file=sys.stderr,
        )
    if changed:
        return 1
    if write:
        listed_in.write_text("".join(f"{key}: {what}\n" for key, what in sorted((listed | now).items())))
        return 0
    missing = [key for key in now if key not in listed]
    if missing:
        print(
            f"check_proto: new and not listed: {', '.join(missing)}. Run .venv/bin/python tools/check_proto.py --write",
            file=sys.stderr,
        )
    return 1 if missing else 0


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    sys.exit(main(Path(arguments[0]) if arguments else ROOT / "proto", "--write" in sys.argv[1:]))
