"""q22, directories: the first three folders of each bid's address."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    parts = {f"dir{i}": col("url").split_part("/", i + 2) for i in (1, 2, 3)}
    return streams.bids("auction", "bidder", "price", "channel", "url").select("auction", "bidder", "price", "channel", **parts)


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q22"), query)
