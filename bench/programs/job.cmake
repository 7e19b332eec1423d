# The hand loops alone are compiled for this machine; nothing of theirs is shared with the engine.
set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/hand/hand_loops.cc" PROPERTIES COMPILE_OPTIONS "-O3;-march=native")
headrace_bench(job "programs/job_bench.cc;hand/hand_loops.cc;support/row_digest.cc;support/single_core_job.cc"
  DEPENDS base columnar plan wire data/connector data/exchange data/task)
