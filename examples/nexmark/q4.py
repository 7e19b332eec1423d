"""q4, average price of a category: of the highest bids that auctions had while they were open; updated with every bid."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, avg, col, max
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    auctions = streams.auctions("id", "category", "date_time", "expires").select(
        "id", "category", "expires", opened=col("date_time")
    )
    bids = streams.bids("auction", "price").select("auction", "price", at=col("date_time"))
    in_time = auctions.join(bids, on=[("id", "auction")]).filter(col("at").between(col("opened"), col("expires")))
    finals = in_time.group_by("id", "category").agg(final=max("price"))
    return finals.group_by("category").agg(average=avg("final"))


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q4"), query)
