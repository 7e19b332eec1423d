CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE auction (id BIGINT, seller BIGINT, category BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'auction', 'events' = '${events}');

CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, seller BIGINT)
WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}');

INSERT INTO answer
SELECT bid.auction, bid.bidder, bid.price, auction.seller FROM bid JOIN auction ON bid.auction = auction.id WHERE auction.category = 10;
