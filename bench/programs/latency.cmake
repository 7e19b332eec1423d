headrace_bench(latency "programs/latency_bench.cc;support/row_digest.cc;support/single_core_job.cc"
  DEPENDS base columnar plan wire data/connector data/exchange data/task)
