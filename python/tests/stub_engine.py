#!/usr/bin/env python3
"""Stands in for the headrace binary: runs small bounded jobs row by row, in one process, with the command line of the real one.

`run - --results-fd N`, `explain FILE`. STUB_FAIL=TEXT: fails with that text after the first frame. STUB_EXIT=N: ends at once.
"""

from __future__ import annotations

import glob
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.environ["STUB_PACKAGE"])
from headrace import JobGraph, codec
from headrace.functions import unpack_function


def source_rows(connector: Any) -> list[Any]:
    options = connector.options
    if connector.kind == "collection":
        return codec.decode(connector.payload)
    if connector.kind == "generator":
        words = options.get("kind") == "words"
        return [f"w{i % 7} w{i % 3}" if words else i for i in range(int(options["count"]))]
    lines = [line for path in sorted(glob.glob(options["path"])) for line in Path(path).read_text().splitlines()]
    return [json.loads(line) for line in lines] if options["format"] == "json" else lines


def reduce_rows(function: Any, rows: list[Any], keys: list[bytes]) -> list[Any]:
    states: dict[bytes, Any] = {}
    out = []
    for key, row in zip(keys, rows):
        states[key] = function(states[key], row) if key in states else row
        out.append(states[key])
    return out


def apply(kind: str, function: Any, rows: list[Any], keys: list[bytes]) -> tuple[list[Any], list[bytes]]:
    if kind == "union":
        return rows, []
    if kind == "map":
        return [function(r) for r in rows], []
    if kind == "filter":
        return [r for r in rows if function(r)], []
    if kind == "flat_map":
        return [x for r in rows for x in function(r)], []
    if kind == "key_by":
        return rows, [codec.encode_key(function(r)) for r in rows]
    return reduce_rows(function, rows, keys), []


def sink_rows(operator: Any, rows: list[Any], results: Any) -> None:
    if operator.sink.kind == "print":
        for row in rows:
            print(operator.sink.options.get("prefix", "") + str(row), flush=True)
    elif operator.sink.kind == "collection":
        for at in range(0, len(rows), 2):
            frame = codec.encode((operator.uid, rows[at : at + 2]))
            results.write(len(frame).to_bytes(4, "little") + frame)
            results.flush()
            if os.environ.get("STUB_FAIL"):
                sys.exit("starting\nerror: " + os.environ["STUB_FAIL"])
    elif operator.sink.kind == "file":
        os.makedirs(operator.sink.options["path"], exist_ok=True)
        with open(os.path.join(operator.sink.options["path"], "part-0"), "w") as f:
            f.writelines((json.dumps(r) if operator.sink.options["format"] == "json" else str(r)) + "\n" for r in rows)


def run(job: JobGraph, results: Any) -> None:
    rows: dict[str, list[Any]] = {}
    keys: dict[str, list[bytes]] = {}
    functions = {}
    for operator in job.graph.operators:  # all first: they bring the job's classes
        kind = operator.WhichOneof("kind")
        functions[operator.uid] = (
            unpack_function(getattr(operator, kind).pickled) if kind not in ("source", "sink", "union") else None
        )
    for operator in job.graph.operators:
        merged = [r for i in operator.inputs for r in rows[i.uid]]
        kind = operator.WhichOneof("kind")
        if kind == "source":
            rows[operator.uid] = source_rows(operator.source)
        elif kind == "sink":
            sink_rows(operator, merged, results)
        else:
            rows[operator.uid], keys[operator.uid] = apply(
                kind, functions[operator.uid], merged, keys.get(operator.inputs[0].uid, [])
            )


def main() -> None:
    if os.environ.get("STUB_EXIT"):
        sys.exit(int(os.environ["STUB_EXIT"]))
    if sys.argv[1] == "explain":
        job = JobGraph.from_bytes(Path(sys.argv[2]).read_bytes())
        print(" -> ".join(o.name for o in job.graph.operators))
        return
    assert sys.argv[1:4] == ["run", "-", "--results-fd"], sys.argv
    print("engine starts", file=sys.stderr)
    job = JobGraph.from_bytes(sys.stdin.buffer.read())
    run(job, os.fdopen(int(sys.argv[4]), "wb"))


main()
