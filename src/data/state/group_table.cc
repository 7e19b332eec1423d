#include "data/state/group_table.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace headrace::data::state {
namespace {

constexpr std::uint64_t kFirstBuckets = 4;

/// Which of the bucket's tags are `tag`, a bit each.
std::uint32_t Matches(const std::uint8_t* tags, std::uint8_t tag) {
  const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)))));
}
constexpr std::uint32_t kPlaces = (1u << 12) - 1;  // of a bucket, a bit each
/// Never 0.
std::uint8_t TagOf(std::uint64_t hash) {
  const auto tag = static_cast<std::uint8_t>(hash >> 24);
  return static_cast<std::uint8_t>(tag + (tag == 0));
}

/// Hash of a key of W words (0: `words` of them); the high half chooses the bucket, bits below it are the tag.
template <std::uint32_t W>
std::uint64_t HashWords(std::span<const std::uint64_t* const> keys, std::int64_t at) {
  std::uint64_t hash = MixWord(keys[0][at]);
  const std::size_t words = W == 0 ? keys.size() : W;
  for (std::size_t w = 1; w < words; ++w) hash = MixWord(std::rotl(hash, 29) ^ keys[w][at]);
  return hash * 0xD6E8FEB86659FD93ULL;
}

}  // namespace

GroupTable::GroupTable(std::uint32_t key_words, std::uint32_t value_words)
    : key_words_(key_words), row_words_(key_words + value_words), pages_(row_words_, kPageBytes, 16) {
  HR_CHECK(key_words >= 1 && key_words <= kMaxKeyWords, "a group table takes keys of 1 to 8 words");
  Reindex(kFirstBuckets);
}

void GroupTable::Clear() {
  const std::int64_t page_mask = pages_.page_mask();
  for (std::int64_t row = 0; row < num_rows_; row += page_mask + 1) {
    const std::int64_t used = std::min(num_rows_ - row, page_mask + 1);
    std::memset(RowAt(static_cast<std::uint32_t>(row)), 0, static_cast<std::size_t>(used) * row_words_ * 8);
  }
  num_rows_ = 0;
  std::fill(buckets_.begin(), buckets_.end(), Bucket());
}

void GroupTable::Reindex(std::uint64_t buckets) {
  std::vector<Bucket>().swap(buckets_);
  buckets_.resize(buckets);
  bucket_shift_ = static_cast<std::uint32_t>(64 - std::countr_zero(buckets));
  // Tags hold a part of the hash only, so the keys are hashed again.
  std::array<const std::uint64_t*, kMaxKeyWords> words{};
  const std::span<const std::uint64_t* const> key(words.data(), key_words_);
  for (std::int64_t row = 0; row < num_rows_; ++row) {
    const std::uint64_t* at = RowKey(row);
    for (std::uint32_t w = 0; w < key_words_; ++w) words[w] = at + w;
    const std::uint64_t hash = HashWords<0>(key, 0);
    for (std::uint64_t bucket = BucketOf(hash);; bucket = bucket + 1 == buckets ? 0 : bucket + 1) {
      const std::uint32_t free = Matches(buckets_[bucket].tags.data(), 0) & kPlaces;
      if (free == 0) continue;
      const auto place = static_cast<std::size_t>(std::countr_zero(free));
      buckets_[bucket].tags[place] = TagOf(hash);
      buckets_[bucket].rows[place] = static_cast<std::uint32_t>(row);
      break;
    }
  }
}

Result<std::int64_t> GroupTable::Reserve(std::int64_t most) {
  // Keys of a batch are mostly known: what is there already makes the table grow, not what may come.
  if (pages_.capacity() - num_rows_ < std::min(most, kLeastPart)) {
    const std::int64_t rows = num_rows_ + std::min(most, kLeastPart);
    if (rows >= static_cast<std::int64_t>(kNoRow)) return Status::CapacityError("more than 2^32 - 2 keys in one table");
    HR_RETURN_NOT_OK(pages_.GrowTo(rows, static_cast<std::int64_t>(kFirstPageBytes / (row_words_ * 8))));
  }
  const std::uint64_t rows = buckets_.size() < kPrefetchBuckets ? kMostNearRows : kMostRows;
  if (num_rows_ > static_cast<std::int64_t>(buckets_.size() * rows)) Reindex(buckets_.size() * 2);
  // Whatever comes, some bucket stays free.
  const auto places = static_cast<std::int64_t>(buckets_.size() * (kBucketRows - 1));
  return std::min({most, pages_.capacity() - num_rows_, places - num_rows_});
}

template <std::uint32_t W>
bool GroupTable::SameKey(const std::uint64_t* row, std::span<const std::uint64_t* const> keys, std::int64_t at) const {
  const std::size_t words = W == 0 ? key_words_ : W;
  for (std::size_t w = 0; w < words; ++w)
    if (row[w] != keys[w][at]) return false;
  return true;
}

template <std::uint32_t W>
inline std::uint32_t GroupTable::FindRow(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash,
                                         std::uint64_t* place) const {
  const std::uint8_t tag = TagOf(hash);
  for (std::uint64_t number = BucketOf(hash);; number = number + 1 == buckets_.size() ? 0 : number + 1) {
    const Bucket& bucket = buckets_[number];
    for (std::uint32_t match = Matches(bucket.tags.data(), tag); match != 0; match &= match - 1) {
      const std::uint32_t row = bucket.rows[static_cast<std::size_t>(std::countr_zero(match))];
      if (SameKey<W>(RowAt(row), keys, at)) return row;
    }
    const std::uint32_t free = Matches(bucket.tags.data(), 0) & kPlaces;
    if (free == 0) continue;
    *place = number * 16 + static_cast<std::uint64_t>(std::countr_zero(free));
    return kNoRow;
  }
}

template <std::uint32_t W>
std::uint32_t GroupTable::MakeRow(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash, std::uint64_t place) {
  const auto row = static_cast<std::uint32_t>(num_rows_++);
  Bucket& bucket = buckets_[place / 16];
  bucket.tags[place % 16] = TagOf(hash);
  bucket.rows[place % 16] = row;
  std::uint64_t* made = RowAt(row);
  const std::size_t words = W == 0 ? key_words_ : W;
  for (std::size_t w = 0; w < words; ++w) made[w] = keys[w][at];
  return row;
}

template <std::uint32_t W>
std::uint64_t* GroupTable::FindOrMake(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash) {
  std::uint64_t place = 0;
  std::uint32_t row = FindRow<W>(keys, at, hash, &place);
  if (row == kNoRow) row = MakeRow<W>(keys, at, hash, place);
  return RowAt(row) + key_words_;
}

/// Finds or makes rows for keys [first, first + count), for which there is room.
template <std::uint32_t W>
void GroupTable::ResolvePart(std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count, std::uint64_t** rows) {
  if (count == 0) return;
  std::array<std::uint64_t, kAhead> hashes;
  for (std::int64_t i = 0; i < count; ++i) hashes[static_cast<std::size_t>(i)] = HashWords<W>(keys, first + i);
  if (buckets_.size() >= kPrefetchBuckets) Prefetch(hashes.data(), count);
  // Below, a guess may look at row 0.
  if (num_rows_ == 0) FindOrMake<W>(keys, first, hashes[0]);
  if (pages_.num_pages() == 1) return FindAll<W, true>(keys, first, count, hashes.data(), rows);
  FindAll<W, false>(keys, first, count, hashes.data(), rows);
}

/// What the loop looks at stands in locals: the compiler cannot know that writing pointers changes none of the members.
template <std::uint32_t W, bool kOnePage>
void GroupTable::FindAll(std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count, const std::uint64_t* hashes,
                         std::uint64_t** rows) {
  const Bucket* buckets = buckets_.data();
  const std::uint32_t bucket_shift = bucket_shift_, page_shift = pages_.page_shift(), page_mask = pages_.page_mask(),
                      row_words = row_words_;
  std::uint64_t* const* pages = pages_.pages();
  std::uint64_t* page = pages[0];
  const std::array<const std::uint64_t*, 2> column = {keys[0] + first, W == 2 ? keys[1] + first : nullptr};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t hash = hashes[i];
    if (W == 1 || W == 2) {
      // Most keys are known, and the first of their bucket's with their tag. Without such a tag the last place is looked at, whose number
      // is that of some row, or 0.
      const Bucket& bucket = buckets[hash >> bucket_shift];
      const std::uint32_t match = Matches(bucket.tags.data(), TagOf(hash)) | 1u << (kBucketRows - 1);
      std::uint64_t number = bucket.rows[static_cast<std::size_t>(std::countr_zero(match))];
      if (!kOnePage) page = pages[number >> page_shift];
      if (!kOnePage) number &= page_mask;
      std::uint64_t* row = page + number * row_words;
      if (row[0] == column[0][i] && (W == 1 || row[1] == column[1][i])) [[likely]] {
        rows[i] = row + W;
        continue;
      }
    }
    rows[i] = FindOrMake<W>(keys, first + i, hash);
  }
}

/// Asks for what the keys will need; the second pass for what the first has brought.
void GroupTable::Prefetch(const std::uint64_t* hashes, std::int64_t count) const {
  for (std::int64_t i = 0; i < count; ++i) __builtin_prefetch(&buckets_[BucketOf(hashes[i])]);
  for (std::int64_t i = 0; i < count; ++i) {
    const Bucket& bucket = buckets_[BucketOf(hashes[i])];
    const std::uint32_t match = Matches(bucket.tags.data(), TagOf(hashes[i]));
    if (match != 0) __builtin_prefetch(RowAt(bucket.rows[static_cast<std::size_t>(std::countr_zero(match))]), 1);
  }
}

template <std::uint32_t W>
Status GroupTable::ResolveWords(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) {
  for (std::int64_t first = 0, part = 0; first < count; first += part) {
    std::uint64_t* const page = pages_.num_pages() == 0 ? nullptr : pages_.pages()[0];
    HR_ASSIGN_OR_RAISE(part, Reserve(std::min(kAhead, count - first)));
    // The first page moves as it grows, and is the only one while it does: the rows found so far go along.
    if (std::uint64_t* const now = pages_.pages()[0]; page != nullptr && page != now)
      for (std::int64_t i = 0; i < first; ++i) rows[i] = now + (rows[i] - page);
    ResolvePart<W>(keys, first, part, rows + first);
  }
  return Status::OK();
}

Status GroupTable::Resolve(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) {
  HR_CHECK(keys.size() == key_words_, "keys of another width than the table's");
  switch (key_words_) {
    case 1:
      return ResolveWords<1>(keys, count, rows);
    case 2:
      return ResolveWords<2>(keys, count, rows);
    default:
      return ResolveWords<0>(keys, count, rows);
  }
}

template <std::uint32_t W>
void GroupTable::LookupWords(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) const {
  std::array<std::uint64_t, kAhead> hashes;
  for (std::int64_t first = 0; first < count; first += kAhead) {
    const std::int64_t part = std::min(kAhead, count - first);
    for (std::int64_t i = 0; i < part; ++i) hashes[static_cast<std::size_t>(i)] = HashWords<W>(keys, first + i);
    if (buckets_.size() >= kPrefetchBuckets)
      for (std::int64_t i = 0; i < part; ++i) __builtin_prefetch(&buckets_[BucketOf(hashes[static_cast<std::size_t>(i)])]);
    for (std::int64_t i = 0; i < part; ++i) {
      std::uint64_t place = 0;
      const std::uint32_t row = FindRow<W>(keys, first + i, hashes[static_cast<std::size_t>(i)], &place);
      rows[first + i] = row == kNoRow ? nullptr : RowAt(row) + key_words_;
    }
  }
}

void GroupTable::Lookup(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) const {
  HR_CHECK(keys.size() == key_words_, "keys of another width than the table's");
  if (key_words_ == 1) return LookupWords<1>(keys, count, rows);
  if (key_words_ == 2) return LookupWords<2>(keys, count, rows);
  LookupWords<0>(keys, count, rows);
}

std::uint64_t* GroupTable::Find(const std::uint64_t* key) const {
  std::array<const std::uint64_t*, kMaxKeyWords> words{};
  for (std::uint32_t w = 0; w < key_words_; ++w) words[w] = key + w;
  const std::span<const std::uint64_t* const> keys(words.data(), key_words_);
  std::uint64_t place = 0;
  const std::uint32_t row = FindRow<0>(keys, 0, HashWords<0>(keys, 0), &place);
  return row == kNoRow ? nullptr : RowAt(row) + key_words_;
}

}  // namespace headrace::data::state
