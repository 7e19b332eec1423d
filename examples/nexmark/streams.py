"""The three streams of Nexmark, an auction site: persons, auctions, bids; and main() of the query files beside this one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from headrace import DataStream, NexmarkSource, StreamExecutionEnvironment, WatermarkStrategies


class Streams:
    """The streams of one job, with event times. events: of all three together, 0 endless; events_per_second: of event time."""

    def __init__(
        self, env: StreamExecutionEnvironment, events: int = 100_000, events_per_second: int = 10_000, disorder: int = 1
    ) -> None:
        self._env = env
        self._events, self._events_per_second, self._disorder = events, events_per_second, disorder

    def bids(self, *columns: str) -> DataStream[Any]:
        """auction, bidder, price, channel, url, date_time, extra; or only some of them, which costs less."""
        return self._stream("bid", columns)

    def auctions(self, *columns: str) -> DataStream[Any]:
        """id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra."""
        return self._stream("auction", columns)

    def persons(self, *columns: str) -> DataStream[Any]:
        """id, name, email_address, credit_card, city, state, date_time, extra."""
        return self._stream("person", columns)

    def _stream(self, table: Any, columns: tuple[str, ...]) -> DataStream[Any]:
        wanted = [*columns, "date_time"] if columns and "date_time" not in columns else columns
        source = NexmarkSource(
            table,
            self._events,
            self._events_per_second,
            columns=wanted or None,
            disorder=self._disorder,
        )
        rows = self._env.add_source(source)
        return rows.with_watermarks(WatermarkStrategies.bounded_out_of_orderness(4_000).with_timestamp("date_time"))


def main(env: StreamExecutionEnvironment, query: Callable[[Streams], DataStream[Any]]) -> None:
    """Runs a query file: `python q5.py --events 100000`; also with --submit HOST:PORT, --write FILE or --explain, as every job."""
    parser = argparse.ArgumentParser(description=query.__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="persons, auctions and bids together; 0: endless")
    parser.add_argument("--events-per-second", type=int, default=10_000, help="of event time")
    parser.add_argument("--parallelism", type=int, default=1)
    arguments, _ = parser.parse_known_args()
    env.set_parallelism(arguments.parallelism)
    query(Streams(env, arguments.events, arguments.events_per_second)).print()
    env.execute()
