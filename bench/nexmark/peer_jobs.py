"""The queries that run beside other engines as users write them, with the generator in the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cloudpickle
from headrace import (
    BlackholeSink,
    FileSink,
    NexmarkSource,
    Sink,
    SlidingWindow,
    StreamExecutionEnvironment,
    TumblingWindow,
    WatermarkStrategies,
    avg,
    col,
    count,
    max,
    min,
    sum,
    udf,
)


def _table(env: StreamExecutionEnvironment, name: Any, events: int, *columns: str) -> Any:
    rows = env.add_source(NexmarkSource(name, events=events, columns=[*columns, "date_time"]))
    return rows.with_watermarks(WatermarkStrategies.bounded_out_of_orderness(4_000).with_timestamp("date_time"))


def q5(env: StreamExecutionEnvironment, events: int) -> Any:
    counts = _table(env, "bid", events, "auction").group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
    return counts.top(1, by="num", ties=True).select("auction", "num", "window_end")


def q17(env: StreamExecutionEnvironment, events: int) -> Any:
    price = col("price")
    return (
        _table(env, "bid", events, "auction", "price")
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


def q7_join(env: StreamExecutionEnvironment, events: int) -> Any:
    """The greatest price of a window comes with the window's last ms as its time: bids of the window have times up to 9,999 ms before."""
    bids = _table(env, "bid", events, "auction", "bidder", "price")
    most = bids.window(TumblingWindow(10_000)).agg(most=max("price"))
    joined = most.join(bids, on=[("most", "price")], between=(-9_999, 0))
    return joined.select("auction", "bidder", "price", "date_time")


def interval_join(env: StreamExecutionEnvironment, events: int) -> Any:
    auctions = _table(env, "auction", events, "id", "seller")
    bids = _table(env, "bid", events, "auction", "bidder", "price").select(
        "auction", "bidder", "price", bid_time=col("date_time")
    )
    return auctions.join(bids, on=[("id", "auction")], between=(0, 10_000)).select("id", "seller", "bidder", "price", "bid_time")


def regular_join(env: StreamExecutionEnvironment, events: int) -> Any:
    auctions = _table(env, "auction", events, "id", "seller", "category").filter(col("category") == 10)
    bids = _table(env, "bid", events, "auction", "bidder", "price")
    return bids.join(auctions, on=[("auction", "id")]).select("auction", "bidder", "price", "seller")


def python_scalar(env: StreamExecutionEnvironment, events: int) -> Any:
    @udf(result="int64")
    def product(a: int, b: int) -> int:
        return a * b

    bids = _table(env, "bid", events, "auction", "price")
    return bids.select("auction", product=product(col("auction"), col("price")))


def python_vectorized(env: StreamExecutionEnvironment, events: int) -> Any:
    @udf(result="int64", vectorized=True)
    def product(a: Any, b: Any) -> Any:
        return a.to_numpy() * b.to_numpy()

    bids = _table(env, "bid", events, "auction", "price")
    return bids.select("auction", product=product(col("auction"), col("price")))


JOBS: dict[str, Callable[[StreamExecutionEnvironment, int], Any]] = {
    job.__name__: job for job in (q5, q17, q7_join, interval_join, regular_join, python_scalar, python_vectorized)
}


def job_file(query: str, events: int, rows_into: str | None = None) -> bytes:
    """The job as `--write` would write it; results are counted, or go into CSV files of a folder with times in ms."""
    env = StreamExecutionEnvironment(query)
    sink: Sink = FileSink(rows_into, "csv", timestamps="ms") if rows_into else BlackholeSink()
    JOBS[query](env, events).add_sink(sink)
    return cloudpickle.dumps(env.get_job_graph())
