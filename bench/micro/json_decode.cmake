headrace_bench(json_decode micro/json_decode_bench.cc DEPENDS base columnar data/format LINK simdjson::simdjson)
# The bare loop gets what the machine has, as whoever writes one by hand would: simdjson's own code for strings and numbers is chosen at compile time.
target_sources(bench_json_decode PRIVATE hand/hand_json_bids.cc)
set_source_files_properties(hand/hand_json_bids.cc PROPERTIES COMPILE_OPTIONS "-mavx2;-mbmi;-mpclmul;-mlzcnt")
