SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '2 s';
SET 'table.exec.mini-batch.size' = '50000';

CREATE TABLE bid (auction BIGINT, price BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE answer (auction BIGINT, bid_day DATE, total BIGINT, low BIGINT, middle BIGINT, high BIGINT, least BIGINT, greatest BIGINT, mean BIGINT,
  total_price BIGINT, PRIMARY KEY (auction, bid_day) NOT ENFORCED) WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}', 'keys' = '2');

INSERT INTO answer
SELECT auction, bid_day, COUNT(*), COUNT(*) FILTER (WHERE price < 10000), COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000),
  COUNT(*) FILTER (WHERE price >= 1000000), MIN(price), MAX(price), AVG(price), SUM(price)
FROM (SELECT auction, price, CAST(date_time AS DATE) AS bid_day FROM bid) GROUP BY auction, bid_day;
