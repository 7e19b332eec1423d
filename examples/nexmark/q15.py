"""q15, bidding statistics: bids, bidders and auctions of each day, also by rank of price; updated with every batch."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col, count, count_distinct
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    ranks = {
        "rank1": col("price") < 10_000,
        "rank2": (col("price") >= 10_000) & (col("price") < 1_000_000),
        "rank3": col("price") >= 1_000_000,
    }
    calls = {"total_bids": count(), "total_bidders": count_distinct("bidder"), "total_auctions": count_distinct("auction")}
    for name, rank in ranks.items():
        calls[f"{name}_bids"] = count().where(rank)
        calls[f"{name}_bidders"] = count_distinct("bidder").where(rank)
        calls[f"{name}_auctions"] = count_distinct("auction").where(rank)
    bids = streams.bids("auction", "bidder", "price").select("auction", "bidder", "price", day=col("date_time").date())
    return bids.group_by("day").agg(**calls)


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q15"), query)
