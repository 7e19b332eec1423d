"""q19, top ten: the ten highest bids of each auction, with their rank; updated with every bid."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    return streams.bids().group_by("auction").top(10, by="price", rank="rank_number")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q19"), query)
