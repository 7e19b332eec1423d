#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/state/row_pages.h"

namespace headrace::data::state {

/// Rows of a fixed number of 64-bit words by a key of a fixed number of words: the memory tier under native aggregates. Rows
/// lie densely in pages in the order of their first appearance, so a whole batch is resolved to row pointers first and then
/// updated aggregate by aggregate. The index beside them is of buckets, each a cache line with the row numbers of 12 keys and a byte of
/// each one's hash: which of them may be the key's is told by one comparison, without a branch for each.
/// Layout of a row: key words, then value words, which are zero at first.
/// Owned by its operator, used on the task's thread only. At most 2^32 - 2 rows.
class GroupTable {
 public:
  static constexpr std::uint32_t kMaxKeyWords = 8;

  /// key_words 1 to kMaxKeyWords.
  GroupTable(std::uint32_t key_words, std::uint32_t value_words);
  GroupTable(GroupTable&&) noexcept = default;
  GroupTable& operator=(GroupTable&&) noexcept = default;

  /// Finds or makes the rows of `count` keys, given by columns of words: keys[w][i]. rows[i] points at the row's first value
  /// word, until the next Resolve(). New rows get their keys and zeroes. OutOfMemory, or CapacityError when row numbers run out.
  Status Resolve(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows);
  /// As Resolve(), but makes no rows: rows[i] is null where there is none.
  void Lookup(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) const;
  /// The value words of one key's row, or null.
  std::uint64_t* Find(const std::uint64_t* key) const;

  std::uint32_t key_words() const { return key_words_; }
  std::uint32_t value_words() const { return row_words_ - key_words_; }
  std::int64_t num_rows() const { return num_rows_; }
  /// Row by number, 0 to num_rows() - 1: its key words, with the value words behind them.
  const std::uint64_t* RowKey(std::int64_t row) const { return RowAt(static_cast<std::uint32_t>(row)); }
  std::uint64_t* RowValues(std::int64_t row) { return RowAt(static_cast<std::uint32_t>(row)) + key_words_; }
  /// Memory held, index and free space included.
  std::int64_t allocated_bytes() const { return pages_.allocated_bytes() + static_cast<std::int64_t>(buckets_.size() * sizeof(Bucket)); }
  /// No rows; keeps the memory for the next ones.
  void Clear();

 private:
  static constexpr std::uint32_t kPageBytes = 64u << 10;
  static constexpr std::uint32_t kFirstPageBytes = 1u << 10;  // the first page grows by doubling, so that small tables stay small
  static constexpr std::uint32_t kBucketRows = 12;
  /// Rows a bucket at most, over all: then few are full, and their rows stand in the next one. Fewer in tables in the near caches, where a
  /// wrong guess costs more than a further bucket.
  static constexpr std::uint64_t kMostRows = 8, kMostNearRows = 6;
  /// From this many buckets on the index outgrows the nearer caches, and looking ahead pays.
  static constexpr std::uint64_t kPrefetchBuckets = 1u << 13;
  static constexpr std::int64_t kAhead = 512;  // keys in flight
  static constexpr std::int64_t kLeastPart = 16;
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  struct alignas(64) Bucket {
    std::array<std::uint8_t, 16> tags;  // 0: free; the last four always
    std::array<std::uint32_t, kBucketRows> rows;
  };
  std::uint64_t* RowAt(std::uint32_t row) const { return pages_.At(row); }
  template <std::uint32_t W>
  Status ResolveWords(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows);
  template <std::uint32_t W>
  void ResolvePart(std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count, std::uint64_t** rows);
  /// The key's row, or kNoRow and in *place where it belongs: bucket * 16 + place in it.
  template <std::uint32_t W>
  [[gnu::always_inline]] std::uint32_t FindRow(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash,
                                               std::uint64_t* place) const;
  template <std::uint32_t W>
  std::uint32_t MakeRow(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash, std::uint64_t place);
  /// The row's values. Not a part of the loops that call it: they are for keys that need it not.
  template <std::uint32_t W>
  [[gnu::noinline]] std::uint64_t* FindOrMake(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash);
  template <std::uint32_t W, bool kOnePage>
  void FindAll(std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count, const std::uint64_t* hashes,
               std::uint64_t** rows);
  void Prefetch(const std::uint64_t* hashes, std::int64_t count) const;
  std::uint64_t BucketOf(std::uint64_t hash) const { return hash >> bucket_shift_; }
  template <std::uint32_t W>
  bool SameKey(const std::uint64_t* row, std::span<const std::uint64_t* const> keys, std::int64_t at) const;
  template <std::uint32_t W>
  void LookupWords(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) const;
  /// Room for some of the next `most` keys; gives their number.
  Result<std::int64_t> Reserve(std::int64_t most);
  void Reindex(std::uint64_t buckets);

  std::uint32_t key_words_, row_words_;
  std::int64_t num_rows_ = 0;
  RowPages pages_;
  std::vector<Bucket> buckets_;  // a power of two of them
  std::uint32_t bucket_shift_ = 0;
};

/// Spreads key words over 64 bits. In memory only: never stored, never compared between processes.
inline std::uint64_t MixWord(std::uint64_t x) {
  x *= 0x9E3779B97F4A7C15ULL;
  return x ^ (x >> 32);
}

}  // namespace headrace::data::state
