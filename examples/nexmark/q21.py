"""q21, channel ids: a number for the four large channels, else what the address says; bids without one go."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col, when
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    name = col("channel").lower()
    known = when(name == "apple", "0").when(name == "google", "1").when(name == "facebook", "2").when(name == "baidu", "3")
    channel_id = known.otherwise(col("url").extract("(&|^)channel_id=([^&]*)", 2))
    bids = streams.bids("auction", "bidder", "price", "channel", "url")
    return bids.select("auction", "bidder", "price", "channel", channel_id=channel_id).filter(col("channel_id").is_not_null())


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q21"), query)
