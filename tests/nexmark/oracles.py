"""What each Nexmark query must give, as DuckDB's SQL over the tables bid, auction and person, whose times are TIMESTAMPs in UTC."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Oracle:
    """sql: the result. fold: of updating results, the columns that name a row; the last row of each counts. compared: the columns that
    are fixed when several rows have the same place in an order; all by default."""

    sql: str
    fold: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()


_DISTINCT = ", ".join(
    f"count(*) FILTER ({rank}) AS {name}_bids, count(DISTINCT bidder) FILTER ({rank}) AS {name}_bidders, "
    f"count(DISTINCT auction) FILTER ({rank}) AS {name}_auctions"
    for name, rank in (
        ("total", "true"),
        ("rank1", "price < 10000"),
        ("rank2", "price >= 10000 AND price < 1000000"),
        ("rank3", "price >= 1000000"),
    )
)
_DAY_STATISTICS = """
    count(*) AS total_bids, count(*) FILTER (price < 10000) AS rank1_bids,
    count(*) FILTER (price >= 10000 AND price < 1000000) AS rank2_bids, count(*) FILTER (price >= 1000000) AS rank3_bids"""

ORACLES = {
    "q0": Oracle("SELECT * FROM bid"),
    "q1": Oracle("SELECT auction, bidder, date_time, extra, (price * 0.908)::DECIMAL(23, 3) AS price FROM bid"),
    "q2": Oracle("SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q5": Oracle("""
        WITH counts AS (
            SELECT auction, start, count(*) AS num
            FROM (SELECT auction, unnest(range(epoch_ms(date_time) // 2000 * 2000 - 8000, epoch_ms(date_time) + 1, 2000)) AS start FROM bid)
            GROUP BY ALL)
        SELECT auction, num FROM counts QUALIFY rank() OVER (PARTITION BY start ORDER BY num DESC) = 1"""),
    "q7": Oracle("""
        SELECT auction, price, bidder, date_time, extra FROM bid
        QUALIFY rank() OVER (PARTITION BY epoch_ms(date_time) // 10000 ORDER BY price DESC) = 1"""),
    "q11": Oracle("""
        WITH marked AS (
            SELECT bidder, date_time,
                date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) <= INTERVAL 10 SECONDS AS goes_on FROM bid),
        numbered AS (
            SELECT bidder, date_time, count(*) FILTER (goes_on IS NOT TRUE) OVER (PARTITION BY bidder ORDER BY date_time) AS session
            FROM marked)
        SELECT bidder, count(*) AS bid_count, min(date_time) AS starttime, max(date_time) + INTERVAL 10 SECONDS AS endtime
        FROM numbered GROUP BY bidder, session"""),
    "q13": Oracle("SELECT auction, bidder, price, date_time, (auction % 10000)::VARCHAR AS value FROM bid"),
    "q14": Oracle("""
        SELECT auction, bidder, date_time, extra, (price * 0.908)::DECIMAL(23, 3) AS price,
            CASE WHEN hour(date_time) BETWEEN 8 AND 18 THEN 'dayTime' WHEN hour(date_time) <= 6 OR hour(date_time) >= 20 THEN 'nightTime'
                 ELSE 'otherTime' END AS bid_time_type,
            length(extra) - length(replace(extra, 'c', '')) AS c_counts
        FROM bid WHERE price * 0.908 > 1000000 AND price * 0.908 < 50000000"""),
    "q15": Oracle(f"SELECT date_time::DATE AS day, {_DISTINCT} FROM bid GROUP BY ALL", fold=("day",)),
    "q16": Oracle(
        f"""SELECT channel, date_time::DATE AS day, max(strftime(date_time, '%H:%M')) AS minute, {_DISTINCT} FROM bid GROUP BY ALL""",
        fold=("channel", "day"),
    ),
    "q17": Oracle(
        f"""SELECT auction, date_time::DATE AS day, {_DAY_STATISTICS}, min(price) AS min_price, max(price) AS max_price,
            avg(price) AS avg_price, sum(price) AS sum_price FROM bid GROUP BY ALL""",
        fold=("auction", "day"),
    ),
    "q21": Oracle("""
        WITH ids AS (
            SELECT auction, bidder, price, channel,
                CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
                    ELSE CASE WHEN regexp_matches(url, '(&|^)channel_id=([^&]*)')
                        THEN regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END END AS channel_id
            FROM bid)
        SELECT * FROM ids WHERE channel_id IS NOT NULL"""),
    "q22": Oracle("""
        SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,
            split_part(url, '/', 6) AS dir3 FROM bid"""),
    "q3": Oracle("""
        SELECT name, city, state, auction.id AS auction FROM auction JOIN person ON seller = person.id
        WHERE category = 10 AND state IN ('OR', 'ID', 'CA')"""),
    "q4": Oracle(
        """
        WITH finals AS (
            SELECT id, category, max(price) AS final FROM auction JOIN bid ON auction = id AND bid.date_time BETWEEN auction.date_time AND expires
            GROUP BY ALL)
        SELECT category, avg(final) AS average FROM finals GROUP BY category""",
        fold=("category",),
    ),
    "q8": Oracle("""
        SELECT DISTINCT id, name, epoch_ms(epoch_ms(person.date_time) // 10000 * 10000) AS starttime FROM person
        JOIN (SELECT seller, date_time FROM auction) AS a
            ON seller = id AND epoch_ms(a.date_time) // 10000 = epoch_ms(person.date_time) // 10000"""),
    "q9": Oracle(
        """
        SELECT auction.*, bid.auction, bidder, price, bid.date_time AS bid_date_time, bid.extra AS bid_extra, 1 AS place
        FROM auction JOIN bid ON auction = id AND bid.date_time BETWEEN auction.date_time AND expires
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY price DESC, bid.date_time) = 1""",
        fold=("id",),
        compared=(
            "id",
            "item_name",
            "description",
            "initial_bid",
            "reserve",
            "date_time",
            "expires",
            "seller",
            "category",
            "extra",
            "auction",
            "price",
            "bid_date_time",
            "place",
        ),
    ),
    "q18": Oracle(
        "SELECT * FROM bid QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) = 1",
        fold=("bidder", "auction"),
        compared=("bidder", "auction", "date_time"),
    ),
    "q19": Oracle(
        "SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid QUALIFY rank_number <= 10",
        fold=("auction", "rank_number"),
        compared=("auction", "price", "rank_number"),
    ),
    "q20": Oracle("""
        SELECT bid.*, id, item_name, description, initial_bid, reserve, a.date_time AS date_time_auction, expires, seller, category,
            a.extra AS extra_auction FROM bid JOIN auction AS a ON auction = id WHERE category = 10"""),
}
