#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"

namespace headrace::bench {

/// A commutative 128-bit digest of rows: two sums of mixed row hashes, so that the order of rows does not count but their number does.
/// A value is 8-byte words: ints, dates and times one; decimals two; doubles their bits; texts FNV-1a of their bytes; a null is one
/// fixed word. bench/nexmark/digest.py computes the same from a pyarrow table.
class RowDigest {
 public:
  static constexpr std::uint64_t kNullWord = 0x6E756C6C6E756C6CULL;
  static std::uint64_t Mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  static std::uint64_t OfText(const char* bytes, std::size_t size) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<std::uint8_t>(bytes[i])) * 0x100000001B3ULL;
    return hash;
  }
  void AddRow(const std::uint64_t* words, std::size_t count) {
    std::uint64_t a = 0x243F6A8885A308D3ULL, b = 0x13198A2E03707344ULL;
    for (std::size_t i = 0; i < count; ++i) {
      a = Mix(a ^ words[i]);
      b = Mix(b + words[i]);
    }
    low_ += a;
    high_ += b;
    ++rows_;
  }
  std::uint64_t rows() const { return rows_; }
  std::string ToString() const;

 private:
  std::uint64_t low_ = 0, high_ = 0, rows_ = 0;
};

/// Words of the rows of a batch, row by row; columns that names begin with "__" are left out. NotImplemented for nested columns.
struct RowWords {
  std::size_t width = 0;
  std::vector<std::uint64_t> words;
};
Result<RowWords> WordsOf(const arrow::RecordBatch& batch);

}  // namespace headrace::bench
