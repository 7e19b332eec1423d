"""q7, highest bid: the bids with the highest price of every ten seconds; all of them when several have it."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, TumblingWindow
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    bids = streams.bids("auction", "bidder", "price", "date_time", "extra")
    return (
        bids.window(TumblingWindow(10_000))
        .top(1, by="price", ties=True)
        .select("auction", "price", "bidder", "date_time", "extra")
    )


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q7"), query)
