headrace_bench(python_stage micro/python_stage_bench.cc DEPENDS data/python LINK nlohmann_json::nlohmann_json)
