"""q14, calculation: bids of one to fifty million cents in euros, the time of day, and how many letters c their text has."""

from decimal import Decimal
from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col, lit, when
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    euros = (col("price") * lit(Decimal("0.908"))).cast("decimal(23, 3)")
    hour = col("date_time").hour()
    part = when((hour >= 8) & (hour <= 18), "dayTime").when((hour <= 6) | (hour >= 20), "nightTime").otherwise("otherTime")
    letters = col("extra").length() - col("extra").replace("c", "").length()
    bids = streams.bids("auction", "bidder", "price", "date_time", "extra")
    dear = bids.select("auction", "bidder", "date_time", "extra", price=euros, bid_time_type=part, c_counts=letters)
    return dear.filter((col("price") > 1_000_000) & (col("price") < 50_000_000))


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q14"), query)
