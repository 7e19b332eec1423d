"""q3, local items: who sells in category 10, of three states; every auction meets its seller, whenever either comes."""

from typing import Any

from headrace import DataStream, StreamExecutionEnvironment, col
from streams import Streams, main


def query(streams: Streams) -> DataStream[Any]:
    auctions = streams.auctions("id", "seller", "category").filter(col("category") == 10).select("seller", auction=col("id"))
    persons = streams.persons("id", "name", "city", "state").filter(col("state").is_in(["OR", "ID", "CA"]))
    pairs = auctions.join(persons.select("id", "name", "city", "state"), on=[("seller", "id")])
    return pairs.select("name", "city", "state", "auction")


if __name__ == "__main__":
    main(StreamExecutionEnvironment("nexmark q3"), query)
