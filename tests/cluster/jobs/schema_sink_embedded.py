"""Runs embedded: typed rows into Kafka as records of a schema, or back out of them as JSON. Parameters as JSON in argv[1]."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

from headrace import CollectionSource, KafkaSink, KafkaSource, StreamExecutionEnvironment, count

p = json.loads(sys.argv[1])
env = StreamExecutionEnvironment("schemas").set_parallelism(p.get("parallelism", 1))
registry = {k: p[k] for k in ("schema_registry", "schema_registry_auth") if k in p}
if "source" in p:
    source = KafkaSource(p["source"], stop_at="latest", value_format=p["value_format"], row_type=p["columns"], **registry)
    env.add_source(source).add_sink(KafkaSink(p["sink"], timestamps="ms"))
else:
    rows = env.add_source(CollectionSource([row | {"price": Decimal(row["price"])} for row in p["rows"]], row_type=p["columns"]))
    if p.get("updates"):
        rows = rows.group_by("auction").agg(n=count())
    rows.add_sink(KafkaSink(p["sink"], value_format=p["value_format"], **registry, **p.get("options", {})))
env.execute()
