"""q11, user sessions: how many bids a person made in each session, which ends when ten seconds pass without one."""

from typing import Any

from headrace import DataStream, SessionWindow, StreamExecutionEnvironment, col, count
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    sessions = streams.bids("bidder").group_by("bidder").window(SessionWindow(10_000)).agg(bid_count=count())
    return sessions.select("bidder", "bid_count", starttime=col("window_start"), endtime=col("window_end"))


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q11"), query)
