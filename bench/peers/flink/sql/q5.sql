CREATE TABLE bid (auction BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE answer (auction BIGINT, num BIGINT, window_end TIMESTAMP(3)) WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}');

INSERT INTO answer
WITH counts AS (
  SELECT auction, COUNT(*) AS num, window_start, window_end
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end
), most AS (SELECT MAX(num) AS num, window_start, window_end FROM counts GROUP BY window_start, window_end)
SELECT counts.auction, counts.num, counts.window_end FROM counts JOIN most
ON counts.window_start = most.window_start AND counts.window_end = most.window_end AND counts.num >= most.num;
