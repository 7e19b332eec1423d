#include "data/connector/generator/word_rows.h"

#include <algorithm>
#include <bit>

namespace headrace::data::connector {
namespace {

constexpr char kConsonants[] = "bdfghklmnprstvwz";  // 16
constexpr char kVowels[] = "aeio";                  // 4

/// Mixes a counter into 64 well-spread bits (splitmix64's finalizer; Steele et al., Fast Splittable Pseudorandom Number Generators, 2014).
std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

WordRows::WordRows(std::uint64_t seed, std::uint32_t vocabulary, std::uint32_t words_per_row)
    : seed_(Mix(seed + 0x9E3779B97F4A7C15ULL)),
      vocabulary_(std::max(vocabulary, 1u)),
      words_per_row_(words_per_row),
      octaves_(static_cast<std::uint32_t>(std::bit_width(vocabulary_))) {}

void WordRows::AppendWord(std::uint32_t rank, std::string* out) {
  // Six bits a syllable, highest first: ranks without leading zeros give different words.
  int shift = 0;
  while ((rank >> shift) >= 64) shift += 6;
  for (; shift >= 0; shift -= 6) {
    const std::uint32_t syllable = (rank >> shift) & 63;
    out->push_back(kConsonants[syllable & 15]);
    out->push_back(kVowels[syllable >> 4]);
  }
}

void WordRows::Line(std::int64_t row, std::string* line) const {
  line->clear();
  const std::uint64_t base = static_cast<std::uint64_t>(row) * words_per_row_;
  for (std::uint32_t i = 0; i < words_per_row_; ++i) {
    const std::uint64_t bits = Mix(seed_ + (base + i) * 0x9E3779B97F4A7C15ULL);
    const std::uint64_t octave = (bits >> 56) % octaves_;
    std::uint64_t rank = (std::uint64_t{1} << octave) + (bits & ((std::uint64_t{1} << octave) - 1)) - 1;
    if (rank >= vocabulary_) rank = (bits >> 8) % vocabulary_;
    if (i > 0) line->push_back(' ');
    AppendWord(static_cast<std::uint32_t>(rank), line);
  }
}

}  // namespace headrace::data::connector
