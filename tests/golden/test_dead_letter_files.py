"""What a file source cannot decode lies in the folder of its dead letters: bytes, file, offset, error."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from headrace import FileSource, JobFailed, StreamExecutionEnvironment, dead_letter
from records import avro_file, delimited, field, long

GOOD = {"n": 1}


def run(path: str, dead: Path, parallelism: int, format: str, **options: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    """The rows, and the dead letters in the order of file and offset."""
    env = StreamExecutionEnvironment("unreadable").set_parallelism(parallelism)
    source = FileSource(path, format, row_type={"n": "int8"}, on_error=dead_letter(folder=dead), **options)
    rows = env.add_source(source, name="numbers").collect()
    assert not list(dead.glob(".*")), "files that were not completed"
    letters = [json.loads(line) for file in sorted(dead.glob("part-*.jsonl")) for line in file.read_text().splitlines()]
    return rows, sorted(letters, key=lambda letter: (letter["file"], letter["offset"]))


@pytest.mark.parametrize("parallelism", [1, 4])
def test_lines_of_several_files(tmp_path: Path, parallelism: int) -> None:
    folder, bad = tmp_path / "in", b'\xff{"n":1}'
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.json").write_bytes(b'{"n":1}\n{"n":"\xc3\xa9"}\n' + bad + b"\n\n" + b'{"n":1}\n' * 5000)
    rows, letters = run(str(folder), tmp_path / "dead", parallelism, "json")
    assert rows == [GOOD] * 6 * 5001
    head = {"job": "unreadable", "operator": "numbers"}
    expected = []
    for i in range(6):
        file = str(folder / f"{i}.json")
        expected.append({"file": file, "offset": 8, "record": '{"n":"é"}'} | head)
        expected.append({"file": file, "offset": 19, "record_base64": base64.b64encode(bad).decode()} | head)
    assert [{k: v for k, v in letter.items() if k != "error"} for letter in letters] == expected
    assert letters[0]["error"].startswith('column "n"')
    # A second run leaves what the first one wrote.
    run(str(folder), tmp_path / "dead", parallelism, "json")
    assert len(list((tmp_path / "dead").glob("part-*.jsonl"))) == 2 * 6


def test_records_of_avro_and_protobuf(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}
    (tmp_path / "a.avro").write_bytes(avro_file(schema, [long(1), long(500), long(1)]))
    rows, letters = run(str(tmp_path / "a.avro"), tmp_path / "dead", 1, "avro")
    assert rows == [GOOD, GOOD]
    assert [letter["record_base64"] for letter in letters] == [base64.b64encode(long(500)).decode()]
    (tmp_path / "p").write_bytes(delimited(field(1, 1), field(1, 300), field(1, 1)))
    proto = 'syntax = "proto3"; message R { int64 n = 1; }'
    rows, letters = run(str(tmp_path / "p"), tmp_path / "dead2", 1, "protobuf", schema=proto)
    assert rows == [GOOD, GOOD]
    assert [(letter["offset"], letter["error"]) for letter in letters] == [(3, 'column "n": 300 does not fit int8')]


def test_a_line_that_is_too_long_has_no_record(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b'{"n":1}\n' + b"x" * (17 << 20) + b'\n{"n":1}\n')
    rows, letters = run(str(tmp_path / "long"), tmp_path / "dead", 1, "json")
    assert rows == [GOOD, GOOD]
    assert [(letter["offset"], letter.keys() & {"record", "record_base64"}) for letter in letters] == [(8, set())]


def test_an_error_names_the_source_once(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("[1]\n")
    env = StreamExecutionEnvironment("unreadable")
    with pytest.raises(JobFailed) as failed:
        env.add_source(FileSource(tmp_path / "bad", "json", row_type={"n": "int8"}), name="numbers").collect()
    assert str(failed.value).count('source "numbers"') == 1
