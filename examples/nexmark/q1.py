"""q1, currency: bids with their prices in euros, a decimal with three digits behind the point."""

from decimal import Decimal
from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col, lit
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    euros = (col("price") * lit(Decimal("0.908"))).cast("decimal(23, 3)")
    return streams.bids("auction", "bidder", "price", "date_time", "extra").select(
        "auction", "bidder", "date_time", "extra", price=euros
    )


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q1"), query)
