SET 'python.executable' = '${python}';
SET 'python.client.executable' = '${python}';
SET 'python.files' = '${functions}';
SET 'python.execution-mode' = 'process';

CREATE TEMPORARY SYSTEM FUNCTION product AS 'functions.vectorized_product' LANGUAGE PYTHON;

CREATE TABLE bid (auction BIGINT, price BIGINT, date_time TIMESTAMP(3), WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'table' = 'bid', 'events' = '${events}');

CREATE TABLE answer (auction BIGINT, product BIGINT) WITH ('connector' = 'result', 'path' = '${path}', 'digest' = '${digest}');

INSERT INTO answer SELECT auction, product(auction, price) FROM bid;
