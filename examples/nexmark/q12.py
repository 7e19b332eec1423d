"""q12, processing time windows: bids of a person in ten seconds of the clock; every run has other windows."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, TumblingWindow, col, count
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    bids = streams.bids("bidder").group_by("bidder").window(TumblingWindow(10_000).processing_time()).agg(bid_count=count())
    return bids.select("bidder", "bid_count", starttime=col("window_start"), endtime=col("window_end"))


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q12"), query)
