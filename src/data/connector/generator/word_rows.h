#pragma once
#include <cstdint>
#include <string>

namespace headrace::data::connector {

/// Lines of words, a pure function of seed and row number, so that rows are the same at any parallelism and after a restart.
/// Skew: the ranks 2^j-1 … 2^(j+1)-2 share one of log2(vocabulary) equal parts, which follows Zipf's law in steps. Integers
/// only: the same rows on every machine.
class WordRows {
 public:
  WordRows(std::uint64_t seed, std::uint32_t vocabulary, std::uint32_t words_per_row);
  /// Replaces `line` by the words of `row`, separated by spaces.
  void Line(std::int64_t row, std::string* line) const;
  /// Word of a rank in [0, vocabulary): lower-case letters, different for every rank.
  static void AppendWord(std::uint32_t rank, std::string* out);

 private:
  std::uint64_t seed_;
  std::uint32_t vocabulary_, words_per_row_, octaves_;
};

}  // namespace headrace::data::connector
