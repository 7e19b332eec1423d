#pragma once
#include <cstdint>
#include <string>

#include "bench/hand/hand_columns.h"

namespace headrace::bench {

/// Takes rows of 8-byte words. Null in timed runs: the hand loop writes its rows and nobody reads them.
struct HandSink {
  void (*row)(void* into, const std::uint64_t* words, int count) = nullptr;
  std::uint64_t (*text)(const char* bytes, std::size_t size) = nullptr;
  void* into = nullptr;
};

/// What an engine has to be measured by: the query as a hand-written loop over the columns of batches, for this machine alone.
/// `right`: the second table of a join, batch by batch beside `left`. Gives the number of result rows; -1: no such query.
std::int64_t RunHandLoop(const char* query, const HandColumns* left, const HandColumns* right, std::int64_t batches, const HandSink& sink);

}  // namespace headrace::bench
