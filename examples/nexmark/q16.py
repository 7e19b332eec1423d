"""q16, channel statistics: as q15 by channel and day, with the last minute of the day that had a bid."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col, count, count_distinct, max
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    ranks = {
        "rank1": col("price") < 10_000,
        "rank2": (col("price") >= 10_000) & (col("price") < 1_000_000),
        "rank3": col("price") >= 1_000_000,
    }
    calls = {
        "minute": max("at"),
        "total_bids": count(),
        "total_bidders": count_distinct("bidder"),
        "total_auctions": count_distinct("auction"),
    }
    for name, rank in ranks.items():
        calls[f"{name}_bids"] = count().where(rank)
        calls[f"{name}_bidders"] = count_distinct("bidder").where(rank)
        calls[f"{name}_auctions"] = count_distinct("auction").where(rank)
    time = col("date_time")
    bids = streams.bids("auction", "bidder", "price", "channel").select(
        "auction", "bidder", "price", "channel", day=time.date(), at=time.format_time("%H:%M")
    )
    return bids.group_by("channel", "day").agg(**calls)


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q16"), query)
