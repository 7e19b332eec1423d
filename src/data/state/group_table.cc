#include "data/state/group_table.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace headrace::data::state {
namespace {

constexpr std::uint64_t kFirstSlots = 64;

/// Hash of a key of W words (0: `words` of them); the high bits choose the slot, the next ones are the tag.
template <std::uint32_t W>
std::uint64_t HashWords(std::span<const std::uint64_t* const> keys, std::int64_t at) {
  std::uint64_t hash = MixWord(keys[0][at]);
  const std::size_t words = W == 0 ? keys.size() : W;
  for (std::size_t w = 1; w < words; ++w) hash = MixWord(std::rotl(hash, 29) ^ keys[w][at]);
  return hash * 0xD6E8FEB86659FD93ULL;
}

}  // namespace

void GroupTable::FreePage::operator()(std::uint64_t* page) const { std::free(page); }

GroupTable::GroupTable(std::uint32_t key_words, std::uint32_t value_words) : key_words_(key_words), row_words_(key_words + value_words) {
  HR_CHECK(key_words >= 1 && key_words <= kMaxKeyWords, "a group table takes keys of 1 to 8 words");
  const std::uint32_t rows = std::bit_floor(std::max<std::uint32_t>(kPageBytes / (row_words_ * 8), 16));
  page_shift_ = static_cast<std::uint32_t>(std::countr_zero(rows));
  page_mask_ = rows - 1;
  Reindex(kFirstSlots);
}

GroupTable::~GroupTable() = default;

void GroupTable::Clear() {
  for (std::int64_t row = 0; row < num_rows_; row += page_mask_ + 1) {
    const std::int64_t used = std::min<std::int64_t>(num_rows_ - row, page_mask_ + 1);
    std::memset(RowAt(static_cast<std::uint32_t>(row)), 0, static_cast<std::size_t>(used) * row_words_ * 8);
  }
  num_rows_ = 0;
  std::fill(slots_.begin(), slots_.end(), 0);
}

void GroupTable::Reindex(std::uint64_t slots) {
  std::vector<std::uint64_t> old = std::move(slots_);
  slots_.assign(slots, 0);
  allocated_bytes_ += static_cast<std::int64_t>((slots - old.size()) * 8);
  slot_mask_ = slots - 1;
  slot_shift_ = static_cast<std::uint32_t>(64 - std::countr_zero(slots));
  // The slots hold 32 bits of the hash only, so the keys are hashed again.
  std::array<const std::uint64_t*, kMaxKeyWords> words{};
  const std::span<const std::uint64_t* const> key(words.data(), key_words_);
  for (std::int64_t row = 0; row < num_rows_; ++row) {
    const std::uint64_t* at = RowKey(row);
    for (std::uint32_t w = 0; w < key_words_; ++w) words[w] = at + w;
    const std::uint64_t hash = HashWords<0>(key, 0);
    std::uint64_t slot = hash >> slot_shift_;
    while (slots_[slot] != 0) slot = (slot + 1) & slot_mask_;
    slots_[slot] = (hash << 32) | static_cast<std::uint64_t>(row + 1);
  }
}

Status GroupTable::GrowRows(std::int64_t rows) {
  const std::int64_t page_rows = static_cast<std::int64_t>(page_mask_) + 1, row_bytes = static_cast<std::int64_t>(row_words_) * 8;
  while (row_capacity_ < rows) {
    const bool first = row_capacity_ < page_rows;
    const std::int64_t had = first ? row_capacity_ : 0;
    std::int64_t now = page_rows;
    if (first) now = std::min(page_rows, std::max({rows, had * 2, static_cast<std::int64_t>(kFirstPageBytes) / row_bytes}));
    auto* page = static_cast<std::uint64_t*>(std::calloc(static_cast<std::size_t>(now), static_cast<std::size_t>(row_bytes)));
    if (page == nullptr) return Status::OutOfMemory("a page of ", now * row_bytes, " bytes for keyed state");
    if (had > 0) {
      std::memcpy(page, pages_[0].get(), static_cast<std::size_t>(had * row_bytes));
      pages_[0].reset(page);
    } else {
      pages_.emplace_back(page);
    }
    row_capacity_ += now - had;
    allocated_bytes_ += (now - had) * row_bytes;
  }
  return Status::OK();
}

/// Room for `more` new rows, in pages and index.
Status GroupTable::Reserve(std::int64_t more) {
  const std::int64_t rows = num_rows_ + more;
  if (rows >= std::numeric_limits<std::uint32_t>::max()) return Status::CapacityError("more than 2^32 - 2 keys in one table");
  if (rows > row_capacity_) HR_RETURN_NOT_OK(GrowRows(rows));
  const auto slots = static_cast<std::int64_t>(slots_.size());
  // Keys of a batch are mostly known: only what is there already, or would not fit at all, makes the index grow.
  if (num_rows_ * 2 > slots || rows * 8 > slots * 7)
    Reindex(std::max(std::bit_ceil(static_cast<std::uint64_t>(rows) * 8 / 7 + 1), slots_.size() * 2));
  return Status::OK();
}

template <std::uint32_t W>
bool GroupTable::SameKey(const std::uint64_t* row, std::span<const std::uint64_t* const> keys, std::int64_t at) const {
  const std::size_t words = W == 0 ? key_words_ : W;
  for (std::size_t w = 0; w < words; ++w)
    if (row[w] != keys[w][at]) return false;
  return true;
}

template <std::uint32_t W>
std::uint32_t GroupTable::FindOrMake(std::span<const std::uint64_t* const> keys, std::int64_t at, std::uint64_t hash) {
  const std::uint64_t tag = hash << 32;
  for (std::uint64_t slot = hash >> slot_shift_;; slot = (slot + 1) & slot_mask_) {
    const std::uint64_t found = slots_[slot];
    if (found == 0) {
      const auto row = static_cast<std::uint32_t>(num_rows_++);
      slots_[slot] = tag | (row + 1);
      std::uint64_t* made = RowAt(row);
      const std::size_t words = W == 0 ? key_words_ : W;
      for (std::size_t w = 0; w < words; ++w) made[w] = keys[w][at];
      return row;
    }
    if ((found ^ tag) >> 32 != 0) continue;
    const std::uint32_t row = static_cast<std::uint32_t>(found) - 1;
    if (SameKey<W>(RowAt(row), keys, at)) return row;
  }
}

/// Finds or makes rows for keys [first, first + count), for which there is room. What the loop looks at stands in locals: the compiler
/// cannot know that writing pointers changes none of the members.
template <std::uint32_t W>
void GroupTable::ResolvePart(std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count, std::uint64_t** rows) {
  std::array<std::uint64_t, kAhead> hashes;
  for (std::int64_t i = 0; i < count; ++i) hashes[static_cast<std::size_t>(i)] = HashWords<W>(keys, first + i);
  const std::uint64_t* slots = slots_.data();
  const std::uint32_t slot_shift = slot_shift_, page_shift = page_shift_, page_mask = page_mask_, row_words = row_words_;
  const std::unique_ptr<std::uint64_t, FreePage>* pages = pages_.data();
  if (slots_.size() >= kPrefetchSlots) {
    for (std::int64_t i = 0; i < count; ++i) __builtin_prefetch(&slots[hashes[static_cast<std::size_t>(i)] >> slot_shift]);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t found = slots[hashes[static_cast<std::size_t>(i)] >> slot_shift];
      if (found != 0) __builtin_prefetch(RowAt(static_cast<std::uint32_t>(found) - 1), 1);
    }
  }
  const std::array<const std::uint64_t*, 2> column = {keys[0] + first, W == 2 ? keys[1] + first : nullptr};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t hash = hashes[static_cast<std::size_t>(i)], found = slots[hash >> slot_shift];
    // Most keys are known and in the first slot that is looked at.
    if ((W == 1 || W == 2) && found != 0 && ((found ^ (hash << 32)) >> 32) == 0) {
      const std::uint32_t number = static_cast<std::uint32_t>(found) - 1;
      std::uint64_t* row = pages[number >> page_shift].get() + static_cast<std::uint64_t>(number & page_mask) * row_words;
      if (row[0] == column[0][i] && (W == 1 || row[1] == column[1][i])) {
        rows[i] = row + W;
        continue;
      }
    }
    rows[i] = RowAt(FindOrMake<W>(keys, first + i, hash)) + key_words_;
  }
}

template <std::uint32_t W>
Status GroupTable::ResolveWords(std::span<const std::uint64_t* const> keys, std::int64_t count, std::uint64_t** rows) {
  for (std::int64_t first = 0; first < count; first += kAhead) {
    const std::int64_t part = std::min(kAhead, count - first);
    const std::uint64_t* page = pages_.empty() ? nullptr : pages_[0].get();
    HR_RETURN_NOT_OK(Reserve(part));
    // The first page moves as it grows, and is the only one while it does: the rows found so far go along.
    if (page != nullptr && page != pages_[0].get())
      for (std::int64_t i = 0; i < first; ++i) rows[i] = pages_[0].get() + (rows[i] - page);
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
    if (slots_.size() >= kPrefetchSlots)
      for (std::int64_t i = 0; i < part; ++i) __builtin_prefetch(&slots_[hashes[static_cast<std::size_t>(i)] >> slot_shift_]);
    for (std::int64_t i = 0; i < part; ++i) {
      const std::uint64_t hash = hashes[static_cast<std::size_t>(i)], tag = hash << 32;
      rows[first + i] = nullptr;
      for (std::uint64_t slot = hash >> slot_shift_; slots_[slot] != 0; slot = (slot + 1) & slot_mask_) {
        if ((slots_[slot] ^ tag) >> 32 != 0) continue;
        std::uint64_t* row = RowAt(static_cast<std::uint32_t>(slots_[slot]) - 1);
        if (!SameKey<W>(row, keys, first + i)) continue;
        rows[first + i] = row + key_words_;
        break;
      }
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
  const std::uint64_t hash = HashWords<0>(keys, 0), tag = hash << 32;
  for (std::uint64_t slot = hash >> slot_shift_;; slot = (slot + 1) & slot_mask_) {
    const std::uint64_t found = slots_[slot];
    if (found == 0) return nullptr;
    if ((found ^ tag) >> 32 != 0) continue;
    std::uint64_t* row = RowAt(static_cast<std::uint32_t>(found) - 1);
    if (SameKey<0>(row, keys, 0)) return row + key_words_;
  }
}

}  // namespace headrace::data::state
