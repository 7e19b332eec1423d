"""q0, pass through: every bid as it is."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    return streams.bids()


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q0"), query)
