CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, date_time BIGINT, extra STRING,
  event_time AS TO_TIMESTAMP_LTZ(date_time, 3), WATERMARK FOR event_time AS event_time - INTERVAL '4' SECOND)
WITH ('connector' = 'kafka', 'topic' = '${topic}', 'properties.bootstrap.servers' = '${broker}', 'properties.group.id' = 'bench', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');

CREATE TABLE answer (auction BIGINT, num BIGINT, window_end TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = '${out}', 'properties.bootstrap.servers' = '${broker}', 'format' = 'json', 'sink.delivery-guarantee' = 'at-least-once');

INSERT INTO answer
WITH counts AS (
  SELECT auction, COUNT(*) AS num, window_start, window_end
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(event_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end
), most AS (SELECT MAX(num) AS num, window_start, window_end FROM counts GROUP BY window_start, window_end)
SELECT counts.auction, counts.num, counts.window_end FROM counts JOIN most
ON counts.window_start = most.window_start AND counts.window_end = most.window_end AND counts.num >= most.num;
