"""Real worker processes behind a TaskManager written in Python."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator

import pytest
from fake_taskmanager import FakeTaskManager, WorkerFailed, WorkerGone

from headrace import worker
from headrace.codec import ABSENT, encode_key


@pytest.fixture
def tm() -> Iterator[FakeTaskManager]:
    with FakeTaskManager() as started:
        yield started


def failure(tm: FakeTaskManager, stage: int, values: list) -> dict:
    with pytest.raises(WorkerFailed) as caught:
        tm.run(stage, values)
    return caught.value.error


def parse(text):
    return int(text)  # the line that fails


def test_word_count_stages(tm: FakeTaskManager) -> None:
    split = tm.load(("flat_map", str.split), ("map", lambda w: (w, 1)), ("key_by", lambda t: t[0]))
    add = tm.load(("reduce", lambda a, b: (a[0], a[1] + b[1])))
    out = tm.run(split, ["a b a", "", "b"])
    assert out == {0: [("a", 1), ("b", 1), ("a", 1), ("b", 1)], 1: [encode_key(k) for k in "abab"]}
    got = tm.reduce(add, out[0], [0, 1, 0, 1], [ABSENT, ("b", 10)])
    assert got == {0: [("a", 1), ("b", 11), ("a", 2), ("b", 12)], 3: [("a", 2), ("b", 12)]}
    assert tm.user_ns > 0
    assert tm.stop() == 0


def test_filter_and_flat_map_of_generators(tm: FakeTaskManager) -> None:
    def twice(x):
        yield x
        yield -x

    stage = tm.load(("filter", lambda x: x > 1), ("flat_map", twice), ("filter", lambda x: True))
    assert tm.run(stage, [1, 2, 3]) == {0: [2, -2, 3, -3]}
    assert tm.run(stage, []) == {0: []}
    assert tm.run(stage, [0, 1]) == {0: []}


def test_none_is_a_value_and_no_state_is_not_none(tm: FakeTaskManager) -> None:
    stage = tm.load(("reduce", lambda a, b: None if a is None else (a, b)))
    assert tm.reduce(stage, [1, 2, 3], [0, 1, 2], [None, ABSENT, 5]) == {0: [None, 2, (5, 3)], 3: [None, 2, (5, 3)]}


def test_failure_names_row_line_and_operator(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", str.strip), ("map", parse))
    error = failure(tm, stage, ["1", " 2 ", " x3 ", "4"])
    assert (error["type"], error["message"]) == ("ValueError", "invalid literal for int() with base 10: 'x3'")
    assert error["row"] == "'x3'"
    assert error["file"] == __file__
    assert error["line"] == parse.__code__.co_firstlineno + 1
    assert error["code"] == "return int(text)  # the line that fails"
    assert (error["uid"], error["name"]) == ("uid1", "map-1")
    assert "in parse" in error["traceback"] and "headrace/worker.py" not in error["traceback"]
    assert tm.run(stage, [" 7"]) == {0: [7]}  # the worker goes on


def test_failure_in_a_lazy_generator_names_its_row(tm: FakeTaskManager) -> None:
    def late(x):
        yield x
        yield 1 // x

    stage = tm.load(("flat_map", late))
    error = failure(tm, stage, [1, 2, 0, 3])
    assert (error["type"], error["row"], error["code"]) == ("ZeroDivisionError", "0", "yield 1 // x")


def test_failure_inside_the_library_points_at_the_user_line(tm: FakeTaskManager) -> None:
    import json

    def load(x):
        return json.loads(x)

    error = failure(tm, tm.load(("map", load)), ["{"])
    assert error["type"] == "JSONDecodeError" and error["code"] == "return json.loads(x)"
    assert "decoder.py" in error["traceback"]


def test_failure_without_any_user_frame_points_at_the_function(tm: FakeTaskManager) -> None:
    error = failure(tm, tm.load(("flat_map", lambda x: x)), ["ab", 5])
    assert error["type"] == "TypeError" and error["row"] == "5" and error["file"] == __file__
    assert "lambda x: x" in error["code"]
    assert failure(tm, tm.load(("map", len)), [1])["row"] == "1"


def test_reduce_failure_names_its_row(tm: FakeTaskManager) -> None:
    stage = tm.load(("reduce", lambda a, b: a + b))
    with pytest.raises(WorkerFailed) as caught:
        tm.reduce(stage, [1, 2, "x"], [0, 0, 0], [ABSENT])
    assert caught.value.error["row"] == "'x'" and caught.value.error["uid"] == "uid0"


def test_result_that_cannot_travel_names_its_row(tm: FakeTaskManager) -> None:
    error = failure(tm, tm.load(("map", lambda x: (y for y in x) if x else None)), ["", "a"])
    assert "a generator cannot travel between processes" in error["message"] and "<generator" in error["row"]


def test_bad_key_names_the_key_by(tm: FakeTaskManager) -> None:
    error = failure(tm, tm.load(("map", lambda x: x), ("key_by", lambda x: [x])), [3, 4])
    assert "a list cannot be one" in error["message"] and error["name"] == "key_by-1" and error["row"] == "[3]"


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), MemoryError()])
def test_whatever_is_raised_the_worker_lives(tm: FakeTaskManager, raised: BaseException) -> None:
    def fail(x):
        raise raised

    stage = tm.load(("map", fail))
    assert failure(tm, stage, [1])["type"] == type(raised).__name__
    assert failure(tm, stage, [1])["type"] == type(raised).__name__


def test_exception_whose_text_raises(tm: FakeTaskManager) -> None:
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    def fail(x):
        raise Nasty

    error = failure(tm, tm.load(("map", fail)), [1])
    assert "Nasty" in error["type"] and "raises RuntimeError" in error["message"]


@pytest.mark.parametrize("way", ["returns", "raises", "exits"])
def test_forked_child_that_leaves_the_function_gives_no_second_answer(tm: FakeTaskManager, way: str) -> None:
    def fork(x):
        child = os.fork()
        if child == 0:
            if way == "raises":
                raise ValueError("in the child")
            if way == "exits":
                raise SystemExit(7)
            return "child"
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    stage = tm.load(("map", fork))
    assert tm.run(stage, [1]) == {0: [7 if way == "exits" else 1]}
    assert tm.run(stage, [1]) == {0: [7 if way == "exits" else 1]}
    assert tm.stop() == 0
    assert ("came back out of the function" in tm.output()) is (way != "exits")


def test_pool_of_processes_inside_a_function(tm: FakeTaskManager) -> None:
    def spread(x):
        from multiprocessing import get_context

        with get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-x, x])

    assert tm.run(tm.load(("map", spread)), [3]) == {0: [[3, 3]]}


def test_threads_that_outlive_a_row_do_no_harm(tm: FakeTaskManager) -> None:
    def start(x):
        import threading

        for _ in range(3):
            threading.Thread(target=lambda: [print("tick") for _ in range(200)]).start()
        return x

    stage = tm.load(("map", start))
    for _ in range(5):
        assert tm.run(stage, list(range(20))) == {0: list(range(20))}


def test_results_beyond_an_arena_name_the_operator(tm: FakeTaskManager) -> None:
    part = b"x" * (64 << 20)
    error = failure(tm, tm.load(("flat_map", lambda n: [part] * n)), [17])
    assert "more than 1 GiB" in error["message"] and error["name"] == "flat_map-0"


def test_line_of_source_without_end_does_not_drown_the_report(tm: FakeTaskManager, tmp_path) -> None:
    (tmp_path / "minified.py").write_text("def f(x): return 1 // x" + " " * 10 + "#" + "y" * 3_000_000 + "\n")
    error = failure(tm, tm.load(("map", b"cminified\nf\n."), sys_path=[str(tmp_path)]), [0])
    assert error["type"] == "ZeroDivisionError" and len(error["code"]) <= 200 and len(error["traceback"]) <= 20_000
    assert error["file"].endswith("minified.py") and error["line"] == 1


def test_worker_that_dies_is_seen_at_once(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", lambda x: os._exit(9)))
    start = time.monotonic()
    with pytest.raises(WorkerGone) as caught:
        tm.run(stage, [1])
    assert caught.value.code == 9 and time.monotonic() - start < 5


def test_load_of_an_unknown_module_fails_the_load_alone(tm: FakeTaskManager) -> None:
    with pytest.raises(WorkerFailed) as caught:
        tm.load(("map", str.strip), ("map", b"cno_such_module\nthing\n."))
    assert caught.value.error["type"] == "ModuleNotFoundError" and caught.value.error["uid"] == "uid1"
    with pytest.raises(WorkerFailed) as refused:
        tm.load(("map", b"not a pickle"))
    with pytest.raises(WorkerFailed) as run:  # was on its way before the answer came
        tm.run(2, [1])
    assert run.value.error == refused.value.error
    assert tm.run(tm.load(("map", str.strip)), [" a"]) == {0: ["a"]}


def test_prints_reach_the_pipe_and_bad_ones_do_no_harm(tm: FakeTaskManager) -> None:
    def chatty(x):
        import sys

        print("row", x, "\ud800")
        sys.stderr.write("to stderr\n")
        sys.stdout.buffer.write(b"raw\n")
        return x

    stage = tm.load(("map", chatty))
    assert tm.run(stage, [1, 2]) == {0: [1, 2]}
    assert tm.stop() == 0
    output = tm.output()
    assert "row 1 \\ud800" in output and output.count("to stderr") == 2 and output.count("raw") == 2


def test_closed_stdout_does_no_harm(tm: FakeTaskManager) -> None:
    def close(x):
        import sys

        sys.stdout.close()
        return x

    stage = tm.load(("map", close), ("map", lambda x: print("lost") or x))
    assert tm.run(stage, [1]) == {0: [1]}
    assert tm.run(tm.load(("map", lambda x: print("lost") or x)), [1]) == {0: [1]}


def test_hang_up_ends_the_worker(tm: FakeTaskManager) -> None:
    def thread(x):
        import threading

        threading.Thread(target=time.sleep, args=(1000,)).start()
        return x

    assert tm.run(tm.load(("map", thread)), [1]) == {0: [1]}
    assert tm.hang_up() == 0


@pytest.mark.parametrize("datagram", [b"x", struct.pack("<IIQQQQ", 99, 0, 0, 0, 0, 0), b"y" * 100])
def test_datagram_from_another_protocol_ends_the_worker(tm: FakeTaskManager, datagram: bytes) -> None:
    tm.send_raw(datagram)
    assert tm.process.wait(10) == 2
    assert "protocol version 2" in tm.output()


def test_run_outside_the_arena_or_of_no_stage_fails_that_run(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", str.strip))
    tm._send(worker.RUN, 0, 7, 1 << 40, 100, tm.inputs[0].size())
    with pytest.raises(WorkerFailed):
        tm.finish()
    with pytest.raises(WorkerFailed):
        tm.run(stage + 5, ["a"])
    tm.drop(stage)
    with pytest.raises(WorkerFailed):
        tm.run(stage, ["a"])


def test_arenas_answer_in_order_and_grow(tm: FakeTaskManager) -> None:
    stage = tm.load(("map", lambda n: "x" * n))
    tm.start(stage, [(0, [10_000_000])], arena=0)
    tm.start(stage, [(0, [1, 2])], arena=1)
    assert len(tm.finish(0)[0][0]) == 10_000_000
    assert tm.finish(1) == {0: ["x", "xx"]}


def test_sys_path_of_the_stage_is_importable(tm: FakeTaskManager, tmp_path) -> None:
    (tmp_path / "shipped_module.py").write_text("def shout(x):\n    return x.upper()\n")
    stage = tm.load(("map", b"cshipped_module\nshout\n."), sys_path=[str(tmp_path)])
    assert tm.run(stage, ["a"]) == {0: ["A"]}


def test_shipped_file_is_found_by_name(tm: FakeTaskManager, tmp_path) -> None:
    (tmp_path / "words.txt").write_text("stop words")

    def read(x):
        import headrace

        with open(headrace.shipped_file(x)) as f:
            return f.read()

    assert tm.run(tm.load(("map", read), sys_path=[str(tmp_path)]), ["words.txt"]) == {0: ["stop words"]}


def test_descriptors_of_the_worker_are_not_inherited_by_its_children(tm: FakeTaskManager) -> None:
    def list_fds(x):
        import subprocess

        return subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout.split()

    # 0, 1, 2 and the folder that ls reads: neither the socket nor an arena.
    assert tm.run(tm.load(("map", list_fds)), [1]) == {0: [["0", "1", "2", "3"]]}


def test_worker_imports_no_arrow_and_no_protobuf(tm: FakeTaskManager) -> None:
    def heavy(x):
        import sys

        return [m for m in ("pyarrow", "google.protobuf", "socket", "asyncio", "numpy") if m in sys.modules]

    assert tm.run(tm.load(("map", heavy)), [1]) == {0: [[]]}
