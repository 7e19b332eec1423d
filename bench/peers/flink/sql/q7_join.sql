CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP(3))
WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}');

INSERT INTO answer
WITH most AS (
  SELECT MAX(price) AS price, window_time FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(date_time), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, window_time
)
SELECT bid.auction, bid.bidder, bid.price, bid.date_time FROM bid JOIN most
ON bid.price = most.price AND bid.date_time BETWEEN most.window_time - INTERVAL '9.999' SECOND AND most.window_time;
