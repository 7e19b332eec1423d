"""The Nexmark queries of the benchmark as jobs in the typed API, written to a job file that bench_nexmark runs on prebuilt batches."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from headrace import (
    BlackholeSink,
    NexmarkSource,
    SlidingWindow,
    StreamExecutionEnvironment,
    TumblingWindow,
    WatermarkStrategies,
    avg,
    col,
    count,
    lit,
    max,
    min,
    sum,
)

Job = Callable[[StreamExecutionEnvironment, int, int], Any]
_COLUMNS = {
    "bid": ("auction", "bidder", "price", "date_time"),
    "auction": ("id", "seller", "date_time"),
    "person": ("id", "name", "date_time"),
}


def _table(env: StreamExecutionEnvironment, name: str, events: int, rate: int) -> Any:
    source = NexmarkSource(name, events=events, events_per_second=rate, columns=_COLUMNS[name])  # type: ignore[arg-type]
    return env.add_source(source).with_watermarks(WatermarkStrategies.monotonous())


def q1(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    return _table(env, "bid", events, rate).select(
        "auction", "bidder", price=col("price") * lit(Decimal("0.908")), date_time=col("date_time")
    )


def q2(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    return _table(env, "bid", events, rate).filter(col("auction") % 123 == 0).select("auction", "price")


def q5(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    counts = _table(env, "bid", events, rate).group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
    return counts.top(1, by="num", ties=True)


def q17(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    price = col("price")
    return (
        _table(env, "bid", events, rate)
        .group_by("auction", day=col("date_time").date())
        .agg(
            total=count(),
            low=count().where(price < 10_000),
            middle=count().where((price >= 10_000) & (price < 1_000_000)),
            high=count().where(price >= 1_000_000),
            least=min("price"),
            greatest=max("price"),
            mean=avg("price"),
            total_price=sum("price"),
        )
    )


def q7(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    rows = _table(env, "bid", events, rate).window(TumblingWindow(10_000)).top(1, by="price", ties=True)
    return rows.select("auction", "bidder", "price", "date_time", "window_start", "window_end")


def q8(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    window = TumblingWindow(10_000)
    persons = _table(env, "person", events, rate).group_by("id", "name").window(window).agg(n=count())
    sellers = _table(env, "auction", events, rate).group_by("seller").window(window).agg(n=count())
    left, right = (
        s.select(*names, "window_start", "window_end") for s, names in ((persons, ("id", "name")), (sellers, ("seller",)))
    )
    return left.join(right, on=[("id", "seller"), "window_start", "window_end"]).select("id", "name", "window_start")


JOBS: dict[str, Job] = {"q1": q1, "q2": q2, "q5": q5, "q7": q7, "q8": q8, "q17": q17}


def sliding(size_ms: int, slide_ms: int) -> Job:
    """Count and sum by key in sliding windows."""

    def job(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
        window = TumblingWindow(size_ms) if slide_ms == size_ms else SlidingWindow(size_ms, slide_ms)
        return _table(env, "bid", events, rate).group_by("auction").window(window).agg(num=count(), total=sum("price"))

    return job


def groups(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
    """Count and greatest price by key, given out once, at the end."""
    grouped = _table(env, "bid", events, rate).group_by("auction").window(TumblingWindow(300_000_000_000))
    return grouped.agg(num=count(), most=max("price")).select("auction", "num", "most")


def steps(number: int) -> Job:
    """So many computed columns one behind the other, each a verb of its own."""

    def job(env: StreamExecutionEnvironment, events: int, rate: int) -> Any:
        rows = _table(env, "bid", events, rate)
        for _ in range(number):
            rows = rows.select("auction", price=col("price") + 1)
        return rows

    return job


def job_file(query: str | Job, events: int, rate: int) -> bytes:
    """The job as `--write` would write it."""
    import pickle

    env = StreamExecutionEnvironment(query if isinstance(query, str) else "bench")
    made = JOBS[query] if isinstance(query, str) else query
    made(env, events, rate).add_sink(BlackholeSink())
    return pickle.dumps(env.get_job_graph())
