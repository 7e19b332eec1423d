#pragma once
#include <cstddef>
#include <string_view>

#include "base/status.h"

namespace headrace::wire {

inline constexpr std::size_t kMaxJobFileBytes = 64u << 20;

/// Reads a pickle as data: a small machine over an allow-list of opcodes that knows one global by name,
/// headrace.job_graph.JobGraph, and records its one REDUCE without ever calling anything. Returns the bytes that the graph
/// was reduced over; they lie inside `pickle`.
/// Errors: kNotAJobFile with opcode and offset for everything else; kTooLarge above 64 MiB. Caps: 1,000,000 opcodes, nesting 200.
/// Any thread; keeps no state; memory is bounded by the opcodes, not by the numbers that the bytes claim.
Result<std::string_view> ReadPickledJobGraph(std::string_view pickle);

}  // namespace headrace::wire
