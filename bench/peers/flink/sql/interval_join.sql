CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE auction (id BIGINT, seller BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'auction', 'events' = '${events}');

CREATE TABLE answer (id BIGINT, seller BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP(3))
WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}');

INSERT INTO answer
SELECT auction.id, auction.seller, bid.bidder, bid.price, bid.date_time FROM auction JOIN bid
ON auction.id = bid.auction AND bid.date_time BETWEEN auction.date_time AND auction.date_time + INTERVAL '10' SECOND;
