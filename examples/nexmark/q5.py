"""q5, hot items: the auctions with most bids in the last ten seconds, every two seconds; all of them when several have as many."""

from typing import Any

from headrace import DataStream, SlidingWindow, StreamExecutionEnvironment, count
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    counts = streams.bids("auction").group_by("auction").window(SlidingWindow(10_000, 2_000)).agg(num=count())
    return counts.top(1, by="num", ties=True).select("auction", "num")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q5"), query)
