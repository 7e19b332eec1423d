headrace_bench(window_core micro/window_core_bench.cc DEPENDS base columnar data/connector data/operator data/state data/window)
