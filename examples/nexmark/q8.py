"""q8, new users: persons who came and opened an auction within the same ten seconds."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, TumblingWindow, col, count
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    window = TumblingWindow(10_000)
    persons = streams.persons("id", "name").group_by("id", "name").window(window).agg(n=count())
    sellers = streams.auctions("seller").group_by("seller").window(window).agg(n=count())
    persons, sellers = (
        s.select(*c, "window_start", "window_end") for s, c in ((persons, ("id", "name")), (sellers, ("seller",)))
    )
    pairs = persons.join(sellers, on=[("id", "seller"), "window_start", "window_end"])
    return pairs.select("id", "name", starttime=col("window_start"))


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q8"), query)
