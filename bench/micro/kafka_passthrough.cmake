headrace_bench(kafka_passthrough micro/kafka_passthrough_bench.cc DEPENDS data/connector kafka)
