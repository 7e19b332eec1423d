"""Instructions an event, counted by callgrind: a change of more than 3 % is a failure, as it would be on every machine.

check.py [--write] [NAME...]: compares with bench/instructions/counts.json, or writes it anew. Counts know neither misses of caches nor
waiting: the benchmarks with clocks stand beside them. Seeds are fixed, memory comes from the system's allocator, and the C library is
told which instructions to use, so that every machine counts the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from suites.programs import find_program

COUNTS = Path(__file__).with_name("counts.json")
TOLERANCE = 0.03
_QUERIES = {"q1": 500_000, "q2": 500_000, "q5": 500_000, "q7": 500_000, "q8": 1_000_000, "q17": 500_000}
_WORK = {"exchange_encode": 500_000, "json_decode": 100_000}
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_USER_SIMD_LEVEL": "SSE4_2",
    "SIMDJSON_FORCE_IMPLEMENTATION": "westmere",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-ERMS,-FSRM,-RTM:glibc.cpu.x86_rep_movsb_threshold=1000000000"
    ":glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_non_temporal_threshold=1000000000:glibc.malloc.tcache_count=0",
}


def count(command: list[str], function: str, commands: str = "") -> int:
    """Instructions inside `function` and below."""
    with tempfile.NamedTemporaryFile(prefix="headrace-callgrind-") as out:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", "--collect-atstart=no"]
        valgrind += [f"--toggle-collect={function}", *command]
        environment = {**os.environ, **_ENVIRONMENT}
        done = subprocess.run(valgrind, input=commands, capture_output=True, text=True, env=environment, timeout=900, check=False)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or found is None or int(found[1]) == 0:
        raise SystemExit(f"instructions: {' '.join(command)} was not counted:\n{done.stderr[-2000:]}")
    return int(found[1])


def count_query(name: str, events: int) -> float:
    from nexmark.jobs import job_file

    batch_events = 100_000 if name == "q8" else 8000
    with tempfile.TemporaryDirectory(prefix="headrace-instructions-") as folder:
        job = Path(folder) / "job.pkl"
        job.write_bytes(job_file(name, events, 10_000))
        command = [
            str(find_program("job")),
            str(job),
            "--query",
            name,
            "--events",
            str(events),
            "--batch-events",
            str(batch_events),
        ]
        return count(command, "headrace::bench::SingleCoreJob::Run()", "engine\n") / events


def count_work(name: str, events: int) -> float:
    return count([str(find_program("instructions")), name, str(events)], "headrace::bench::Measured*") / events


def measure(name: str) -> float:
    return count_query(name, _QUERIES[name]) if name in _QUERIES else count_work(name, _WORK[name])


def main() -> int:
    from nexmark.jobs import JOBS

    known: dict[str, float] = json.loads(COUNTS.read_text())["instructions_per_event"] if COUNTS.exists() else {}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="default: all that are counted")
    parser.add_argument("--write", action="store_true", help="keep the new counts")
    options = parser.parse_args()
    names = options.names or ([n for n in [*_QUERIES, *_WORK] if n in JOBS or n in _WORK] if options.write else list(known))
    worse = 0
    for name in names:
        now, had = measure(name), known.get(name)
        change = "new" if had is None else f"{(now / had - 1) * 100:+.2f} %"
        worse += had is not None and now > had * (1 + TOLERANCE)
        print(f"{name:16} {now:9.2f} instructions/event  {change}", flush=True)
        known[name] = round(now, 2)
    if options.write:
        COUNTS.write_text(json.dumps({"tolerance": TOLERANCE, "instructions_per_event": known}, indent=1) + "\n")
        return 0
    if worse:
        print(
            f"instructions: {worse} beyond +{TOLERANCE:.0%}. Make it cheaper, or keep it: bench/instructions/check.py --write",
            file=sys.stderr,
        )
    print(f"{len(names) - worse} passed, {worse} failed")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
