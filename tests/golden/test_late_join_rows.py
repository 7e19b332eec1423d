"""Rows that come to a join behind its watermark. Which row is late depends on both inputs, and so on their order; here it is settled: the late
rows wait until the join has given a row that only the watermark lets go."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from headrace import DataStream, StreamExecutionEnvironment, TumblingWindow, WatermarkStrategies, col, if_, lit

ROWS = {"k": "str", "n": "int", "t": "timestamp[ms]", "wm": "int | None"}
# Behind the watermark, which the rows in time have brought to 99; and behind that row one that is not.
LATE = [{"k": "both", "n": 4, "t": 1, "wm": None}, {"k": "both", "n": 5, "t": 101, "wm": None}]
WAIT_S = 20


def gate(path: str) -> Any:
    """Gives rows on once there is a file at the path."""

    def wait(row: Any) -> Any:
        until = time.monotonic() + WAIT_S
        while not os.path.exists(path):
            if time.monotonic() > until:
                raise TimeoutError("the join gave no row by its watermark")
            time.sleep(0.002)
        return row

    return wait


def timed(env: StreamExecutionEnvironment, side: str, late: bool, opened: Path) -> DataStream[Any]:
    in_time = [
        {"k": f"alone {side}", "n": 1, "t": 60, "wm": None},  # meets nothing: goes once the watermark has passed it
        {"k": "both", "n": 2, "t": 98, "wm": None},
        {"k": "mark", "n": 3, "t": 100, "wm": 99},
    ]
    rows = env.from_collection(in_time, ROWS)
    if late:
        rows = rows.union(env.from_collection(LATE, ROWS).map(gate(str(opened)), returns=ROWS))
    return rows.with_watermarks(WatermarkStrategies.punctuated("wm").with_timestamp("t")).select("k", "n", "t")


JOINS: dict[str, dict[str, Any]] = {
    "interval": {"how": "full", "between": (-5, 5)},
    "window": {"how": "full", "window": TumblingWindow(10)},
    "versions": {"how": "left", "as_of": True},
}
CASES = [
    ("interval", "left", (5, 2)),
    ("interval", "right", (2, 5)),
    ("window", "left", (5, None)),
    ("window", "right", (None, 5)),
    ("versions", "left", (5, 2)),
]


@pytest.mark.parametrize(("kind", "side", "last"), CASES)
def test_late_rows_go_to_their_side_output_and_the_others_join(kind: str, side: str, last: Any, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    env = StreamExecutionEnvironment("late").set_parallelism(1)
    left, right = (timed(env, of, side == of, opened) for of in ("left", "right"))
    joined = left.join(right, on="k", late_to=("late", None) if side == "left" else (None, "late"), **JOINS[kind])
    # The same columns, all of which may be null.
    k, n = if_(col("k") != "", col("k"), lit(None)), if_(col("n") > 0, col("n"), lit(None))
    given = joined.select(k=k, n=n, n_right=if_(col("n_right") > 0, col("n_right"), lit(None)), late=lit(False))
    late = joined.side_output("late").select(k=k, n=n, n_right=lit(None).cast("int64"), late=lit(True))
    rows = []
    for row in given.union(late).execute_and_collect():
        rows.append((row["k"], row["n"], row["n_right"], row["late"]))
        if row["k"].startswith("alone"):
            opened.touch()
    expected = {("alone left", 1, None, False), ("both", 2, 2, False), ("mark", 3, 3, False), ("both", *last, False)}
    if kind != "versions":
        expected.add(("alone right", None, 1, False))
    assert len(rows) == len(expected) + 1
    assert set(rows) == expected | {("both", 4, None, True)}, "the row behind the watermark is late, and joins nothing"
