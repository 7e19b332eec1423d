#pragma once
#include <cstdint>
#include <string_view>

namespace headrace::columnar {

/// Hash of encoded key bytes: xxh3_64, seed 0. Part of the state format.
std::uint64_t HashKey(std::string_view key_bytes);
inline std::uint32_t KeyGroupOf(std::uint64_t key_hash, std::uint32_t max_parallelism) {
  return static_cast<std::uint32_t>(key_hash % max_parallelism);
}
inline std::uint32_t SubtaskOf(std::uint32_t key_group, std::uint32_t parallelism, std::uint32_t max_parallelism) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(key_group) * parallelism / max_parallelism);
}
/// Key groups [first, last) of a subtask: exactly those that SubtaskOf maps to it.
struct KeyGroupRange {
  std::uint32_t first;
  std::uint32_t last;
  bool Contains(std::uint32_t key_group) const { return key_group >= first && key_group < last; }
};
inline KeyGroupRange KeyGroupsOf(std::uint32_t subtask, std::uint32_t parallelism, std::uint32_t max_parallelism) {
  auto ceil_div = [](std::uint64_t a, std::uint64_t b) { return static_cast<std::uint32_t>((a + b - 1) / b); };
  return {ceil_div(static_cast<std::uint64_t>(subtask) * max_parallelism, parallelism),
          ceil_div(static_cast<std::uint64_t>(subtask + 1) * max_parallelism, parallelism)};
}

}  // namespace headrace::columnar
