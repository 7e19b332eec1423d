"""q17, auction statistics: counts and prices of the bids of each auction and day; updated with every batch."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, avg, col, count, max, min, sum
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    cheap, dear = col("price") < 10_000, col("price") >= 1_000_000
    bids = streams.bids("auction", "price").select("auction", "price", day=col("date_time").date())
    return bids.group_by("auction", "day").agg(
        total_bids=count(),
        rank1_bids=count().where(cheap),
        rank2_bids=count().where(~cheap & ~dear),
        rank3_bids=count().where(dear),
        min_price=min("price"),
        max_price=max("price"),
        avg_price=avg("price"),
        sum_price=sum("price"),
    )


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q17"), query)
