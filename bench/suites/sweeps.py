"""Sweeps over one number, in the engine's tasks on one core: overlap of windows, keys in memory, operators behind each other."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from suites.plots import line_plot
from suites.programs import Program, Row, ratio


def _program(stack: ExitStack, job: Any, events: int, rate: int, *arguments: str) -> Program:
    from nexmark.jobs import job_file

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-sweep-"))
    file = Path(folder) / "job.pkl"
    file.write_bytes(job_file(job, events, rate))
    return stack.enter_context(Program("job", str(file), "--events", str(events), "--rate", str(rate), *arguments))


def _row(
    benchmark: str, case: str, values: list[float], limit: float | None, share: float | None, gate: str, aim: str, **more: Any
) -> Row:
    row: Row = {"case": case, "metric": "rows/s/core", "value": round(median(values), 2), "unit": "M/s", "pairs": len(values)}
    row |= {"min": round(min(values), 2), "max": round(max(values), 2), "gate": gate, "aim": aim, **more}
    if limit is not None and share is not None:
        row |= {"limit": round(limit, 2), "ratio_to_limit": round(share, 3)}
    print(f"  {case}: {row['value']} M rows/s" + ("" if share is None else f", {share:.3f} of {limit:.1f}"), flush=True)
    return row


def slide_sweep(options: argparse.Namespace) -> list[Row]:
    """Count and sum of 10,000 keys, 20,000 rows a slide: a window of 1 slide against longer and longer ones, so that as many results come
    out. Counted until the input ends: what is open then comes once for each slide. The limit of each is the tumbling window of the same
    slide, in the same pair."""
    events, rows = options.events, []
    per_slide_ms = 1000
    rate = 20_000 * 50 // 46  # 20,000 bids a slide of a second
    shares: list[float] = []
    sizes = [1, 2, 5, 10, 60, 360, 720, 3600]
    with ExitStack() as outer:
        from nexmark.jobs import sliding

        base = _program(outer, sliding(per_slide_ms, per_slide_ms), events, rate, "--keys", "10000")
        base.ask("engine")
        for size in sizes:
            with ExitStack() as stack:
                program = _program(stack, sliding(size * per_slide_ms, per_slide_ms), events, rate, "--keys", "10000")
                program.ask("engine")
                ours, limits = [], []
                for _ in range(max(1, options.pairs // 2)):
                    ours.append(events * 0.92 / program.ask("engine")["input_seconds"] / 1e6)
                    limits.append(events * 0.92 / base.ask("engine")["input_seconds"] / 1e6)
            shares.append(ratio(ours, limits))
            gate = ">= 0.5 at 720" if size == 720 else ""
            aim = ">= 0.83" if size >= 720 else ""
            rows.append(_row("slide_sweep", f"size/slide={size}", ours, median(limits), shares[-1], gate, aim))
    line_plot("slide_sweep", "size / slide", "share of the tumbling window's rate", {"headrace": (sizes, shares)})
    return rows


def state_memory(options: argparse.Namespace) -> list[Row]:
    """Count and greatest value by key, keys drawn evenly, beside a bare table of 24-byte entries in the same process."""
    rows: list[Row] = []
    curves: dict[str, tuple[list[int], list[float]]] = {"headrace": ([], []), "bare table": ([], [])}
    from nexmark.jobs import groups

    for keys in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
        events = max(options.events, keys * 3)
        with ExitStack() as stack:
            program = _program(stack, groups, events, 10_000, "--query", "groups", "--keys", str(keys))
            equal = program.ask("engine digest")["digest"] == program.ask("hand digest")["digest"]
            ours, limits, state = [], [], 0
            for _ in range(options.pairs):
                answer = program.ask("engine")
                state, held = answer["state_bytes"], answer["rows"]
                ours.append(events * 0.92 / answer["seconds"] / 1e6)
                limits.append(events * 0.92 / program.ask("hand")["seconds"] / 1e6)
        case = f"keys={keys}"
        rows.append(_row("state_memory", case, ours, median(limits), ratio(ours, limits), ">= 1/3", ">= 1/1.5", digest_ok=equal))
        per_key = state / held
        rows.append(
            {
                "case": case,
                "metric": "bytes/key",
                "value": round(per_key, 1),
                "unit": "B",
                "limit": 24,
                "ratio_to_limit": round(per_key / 24, 2),
            }
            | {"gate": "<= 2.5", "aim": "<= 1.5"}
        )
        print(f"  {case}: {per_key:.1f} bytes a key, {per_key / 24:.2f} of an entry")
        for name, value in (("headrace", median(ours)), ("bare table", median(limits))):
            curves[name][0].append(keys)
            curves[name][1].append(value)
    line_plot("state_memory", "keys", "M rows/s/core", curves)
    return rows


def fused_operators(options: argparse.Namespace) -> list[Row]:
    """What one more computed column costs a row: the slope between 1 and 16 of them."""
    from nexmark.jobs import steps

    counts, nanoseconds, rows = [1, 2, 4, 8, 16], [], []
    with ExitStack() as stack:
        programs = [_program(stack, steps(n), options.events, 10_000) for n in counts]
        times: list[list[float]] = [[] for _ in counts]
        for pair in range(options.pairs + 1):
            for i, program in enumerate(programs):
                took = program.ask("engine")["seconds"] / (options.events * 0.92) * 1e9
                if pair:
                    times[i].append(took)
    nanoseconds = [median(t) for t in times]
    slopes = [(last - first) / (counts[-1] - counts[0]) for first, last in zip(times[0], times[-1], strict=True)]
    row: Row = {
        "case": "one more operator",
        "metric": "ns/row",
        "value": round(median(slopes), 3),
        "unit": "ns",
        "pairs": len(slopes),
    }
    rows.append(row | {"min": round(min(slopes), 3), "max": round(max(slopes), 3), "gate": "<= 3", "aim": "<= 1"})
    for n, value in zip(counts, nanoseconds, strict=True):
        rows.append({"case": f"{n} operators", "metric": "ns/row", "value": round(value, 3), "unit": "ns"})
    line_plot("fused_operators", "operators in the chain", "ns/row", {"headrace": (counts, nanoseconds)}, log=False)
    return rows
