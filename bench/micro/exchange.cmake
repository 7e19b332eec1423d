headrace_bench(exchange micro/exchange_bench.cc DEPENDS data/exchange)
