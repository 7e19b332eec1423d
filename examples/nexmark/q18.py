"""q18, last bid: of each bidder on each auction the newest bid; updated with every bid."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    return streams.bids().deduplicate("bidder", "auction", keep="last", by="event_time")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q18"), query)
