"""q2, selection: auction and price of bids on every 123rd auction."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    return streams.bids("auction", "price").filter(col("auction") % 123 == 0).select("auction", "price")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q2"), query)
