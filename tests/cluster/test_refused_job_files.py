"""Job files that cannot run: each gets a 4xx with one clear sentence, nothing is deployed, the JobManager lives on."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster
from harness.job_files import altered, job_file
from harness.rest import Answer
from harness.waiting import eventually


@pytest.fixture
def small(make_cluster: Any) -> Iterator[Cluster]:
    """One TaskManager; after the test the processes are the same ones and idle."""
    cluster = make_cluster(task_managers=1)
    pids = {p.name: p.pid for p in [cluster.manager, *cluster.task_managers.values()]}
    yield cluster
    assert {p.name: p.pid for p in [cluster.manager, *cluster.task_managers.values()]} == pids
    for process in [cluster.manager, *cluster.task_managers.values()]:
        process.check_alive()

    def idle() -> bool:
        now = cluster.metrics()
        return bool(now["running_jobs"] == 0 and now["available_slots"] == now["total_slots"] == 4 and not cluster.workers())

    eventually(idle, "nothing is deployed", 10)


def expect_refusal(answer: Answer, *words: str, status: tuple[int, ...] = (400,)) -> None:
    assert answer.status in status, f"{answer.status} {answer.body[:500]!r}"
    problem = answer.problem()
    said = f"{problem['detail']} {problem['hint']}"
    for word in words:
        assert word.lower() in said.lower(), f"'{word}' is not in: {said}"


def test_files_that_are_no_job_files(small: Cluster, folder: Path) -> None:
    good = job_file(folder, "generated").read_bytes()
    submit = small.rest.submit
    expect_refusal(submit(b"hello, I am a text file\n"), "not a Headrace job file")
    expect_refusal(submit(b""), "job_file")
    for size in (1, 10, len(good) // 2, len(good) - 1):
        expect_refusal(submit(good[:size]), "not a Headrace job file")
    expect_refusal(submit(pickle.dumps({"a": [1, 2, 3]})), "not a Headrace job file")
    expect_refusal(submit(pickle.dumps([[]] * 3 + [os.getcwd])), "not a Headrace job file")
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0x40
    assert 400 <= submit(bytes(flipped)).status < 500


def test_pickle_with_code_to_run_is_refused_and_not_run(small: Cluster, folder: Path) -> None:
    witness = folder / "witness"

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {witness}",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        expect_refusal(small.rest.submit(pickle.dumps(Evil(), protocol)), status=(400,))
    assert not witness.exists()


def test_sixty_five_mebibytes_of_zeros(small: Cluster) -> None:
    answer = small.rest.submit(bytes(65 << 20))
    expect_refusal(answer, status=(400, 413))


def test_graph_with_a_cycle(small: Cluster, folder: Path) -> None:
    def loop(graph: Any) -> None:
        maps = [op for op in graph.operators if op.WhichOneof("kind") in ("map", "key_by", "reduce")]
        maps[0].inputs[0].uid = maps[-1].uid

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), loop)), "cycle")


def test_missing_sink(small: Cluster, folder: Path) -> None:
    def drop_sinks(graph: Any) -> None:
        kept = [op for op in graph.operators if op.WhichOneof("kind") != "sink"]
        del graph.operators[:]
        graph.operators.extend(kept)

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), drop_sinks)), "sink")


def test_unknown_connector_option_is_named_with_the_nearest_one(small: Cluster, folder: Path) -> None:
    def misspell(graph: Any) -> None:
        next(op for op in graph.operators if op.WhichOneof("kind") == "source").source.options["rows_per_secnd"] = "5"

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), misspell)), "rows_per_secnd", "rows_per_second")


def test_unknown_connector(small: Cluster, folder: Path) -> None:
    def rename(graph: Any) -> None:
        next(op for op in graph.operators if op.WhichOneof("kind") == "source").source.kind = "kafak"

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), rename)), "kafak")


def test_unknown_topic_on_a_reachable_broker(small: Cluster, folder: Path) -> None:
    path = job_file(folder, "upper", source="no-such-topic", sink="no-such-sink")
    expect_refusal(small.rest.submit(path), "no-such-topic")


@pytest.mark.parametrize("parallelism", ["0", "100000", "-1", "1.5", "many", "99999999999999999999"])
def test_parallelism_out_of_range_in_the_form(small: Cluster, folder: Path, parallelism: str) -> None:
    expect_refusal(small.rest.submit(job_file(folder, "generated"), parallelism=parallelism), "parallelism")


def test_parallelism_out_of_range_in_the_graph(small: Cluster, folder: Path) -> None:
    def widen(graph: Any) -> None:
        graph.settings.parallelism = 100_000
        for operator in graph.operators:
            operator.parallelism = 100_000

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), widen)), "parallelism")


def test_other_python_minor_version(small: Cluster, folder: Path) -> None:
    def age(header: Any) -> None:
        header.python_version = "3.8"

    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), change_header=age)), "3.8")


def test_format_of_the_future_and_unknown_feature(small: Cluster, folder: Path) -> None:
    def future(graph: Any) -> None:
        graph.format_version = 99

    def feature(graph: Any) -> None:
        graph.required_features.append("time-travel")

    assert 400 <= small.rest.submit(altered(job_file(folder, "generated"), future)).status < 500
    expect_refusal(small.rest.submit(altered(job_file(folder, "generated"), feature)), "time-travel")


def test_good_job_still_runs_after_all_that(small: Cluster, folder: Path) -> None:
    assert small.rest.submit(b"nonsense").status == 400
    job = small.submit(job_file(folder, "generated", parallelism=1, count=100, rows_per_second=0))
    small.await_status(job, "FINISHED")
