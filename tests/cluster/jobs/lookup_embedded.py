"""Runs embedded: rows joined with a table of PostgreSQL, printed as JSON lines as they come. Parameters as JSON in argv[1]."""

from __future__ import annotations

import json
import sys

from headrace import GeneratorSource, LookupCache, PostgresTable, RestartStrategy, StreamExecutionEnvironment

p = json.loads(sys.argv[1])
env = StreamExecutionEnvironment("lookup").set_parallelism(p["parallelism"]).set_restart_strategy(RestartStrategy.none())
if "rows" in p:
    rows = env.from_collection(p["rows"], p["row_type"])
else:
    source = GeneratorSource(count=p["count"], rows_per_second=p["rows_per_second"], column="n")
    rows = env.add_source(source)
table = PostgresTable(p.get("table"), row_type=p["table_type"], **p["postgres"])
joined = rows.lookup_join(table, cache=LookupCache(p["cache"]) if p["cache"] else None, **p["join"])
for row in joined.execute_and_collect():
    print(json.dumps(row, default=str), flush=True)
