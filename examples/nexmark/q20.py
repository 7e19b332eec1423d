"""q20, expanded bids: bids with all that is known of their auction, of category 10; whenever either comes."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    auctions = streams.auctions().filter(col("category") == 10)
    return streams.bids().join(auctions, on=[("auction", "id")], suffix="_auction")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q20"), query)
