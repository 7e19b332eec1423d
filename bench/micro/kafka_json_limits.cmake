headrace_bench(kafka_json_limits micro/kafka_json_limits_bench.cc DEPENDS kafka base LINK simdjson::simdjson)
target_sources(bench_kafka_json_limits PRIVATE hand/hand_json_bids.cc)
