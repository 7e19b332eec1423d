"""q13, bounded side input: bids with the value that a table of 10,000 rows has for the auction's last four digits."""

from typing import Any

from headrace import CollectionSource, DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    table = CollectionSource([{"key": key, "value": str(key)} for key in range(10_000)], {"key": "int", "value": "text"})
    bids = streams.bids("auction", "bidder", "price", "date_time")
    keyed = bids.select("auction", "bidder", "price", "date_time", key=col("auction") % 10_000)
    return keyed.lookup_join(table, on="key").select("auction", "bidder", "price", "date_time", "value")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q13"), query)
