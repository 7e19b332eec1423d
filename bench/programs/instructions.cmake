headrace_bench(instructions programs/instructions_bench.cc DEPENDS base columnar data/connector data/exchange data/format)
