"""q13, bounded side input: bids with the value that a table has for them."""

from typing import Any

from headrace import CollectionSource, DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    table = CollectionSource([{"key": i, "value": str(i)} for i in range(10_000)], {"key": int, "value": str})
    bids = streams.bids("auction", "bidder", "price").select(
        "auction", "bidder", "price", "date_time", key=col("auction") % 10_000
    )
    return bids.lookup_join(table, on="key").select("auction", "bidder", "price", "date_time", "value")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q13"), query)
