"""q9, winning bids: of each auction the highest bid while it was open, the earliest of equal ones; updated with every bid."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    auctions = streams.auctions()
    bids = streams.bids("auction", "bidder", "price", "date_time", "extra").select(
        "auction", "bidder", "price", bid_date_time=col("date_time"), bid_extra=col("extra")
    )
    in_time = auctions.join(bids, on=[("id", "auction")]).filter(col("bid_date_time").between(col("date_time"), col("expires")))
    return in_time.group_by("id").top(1, by=["price", "bid_date_time"], descending=[True, False], rank="place")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q9"), query)
