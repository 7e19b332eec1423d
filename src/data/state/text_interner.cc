#include "data/state/text_interner.h"

#include <algorithm>

#include "columnar/key_group.h"

namespace headrace::data::state {
namespace {

constexpr std::int64_t kFirstSweep = 1 << 16;
constexpr std::size_t kFirstSlots = 1 << 10;

}  // namespace

TextInterner::TextInterner() : slots_(kFirstSlots, 0), sweep_at_(kFirstSweep) {}

std::uint64_t TextInterner::Hash(std::string_view text) { return columnar::HashKey(text); }

Result<std::uint32_t> TextInterner::Intern(std::string_view text) {
  const std::uint64_t hash = Hash(text);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const std::uint32_t number = slots_[at] - 1;
    if (entries_[number].hash == static_cast<std::uint32_t>(hash >> 32) && Text(number) == text) return number;
  }
  std::uint32_t number = 0;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else {
    if (entries_.size() >= 0xFFFFFFFE) return Status::CapacityError("a subtask holds at most 2^32 - 2 different texts as keys");
    number = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
    marks_.push_back(0);
  }
  entries_[number] = {bytes_.size(), static_cast<std::uint32_t>(text.size()), static_cast<std::uint32_t>(hash >> 32), true};
  bytes_.insert(bytes_.end(), text.begin(), text.end());
  if (static_cast<std::size_t>(++num_texts_) * 2 > slots_.size()) {
    Reindex(slots_.size() * 2);
  } else {
    Insert(number, hash);
  }
  return number;
}

void TextInterner::Insert(std::uint32_t number, std::uint64_t hash) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = number + 1;
}

void TextInterner::Reindex(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::uint32_t number = 0; number < entries_.size(); ++number)
    if (entries_[number].used) Insert(number, Hash(Text(number)));
}

void TextInterner::Sweep() {
  std::vector<char> kept;
  for (std::uint32_t number = 0; number < entries_.size(); ++number) {
    Entry& entry = entries_[number];
    if (!entry.used) continue;
    if (marks_[number] == 0) {
      entry = {};
      free_.push_back(number);
      --num_texts_;
      continue;
    }
    const std::string_view text = Text(number);
    const std::uint64_t offset = kept.size();
    kept.insert(kept.end(), text.begin(), text.end());
    entry.offset = offset;
  }
  bytes_ = std::move(kept);
  std::fill(marks_.begin(), marks_.end(), 0);
  Reindex(slots_.size());
  sweep_at_ = std::max(kFirstSweep, num_texts_ * 2);
}

std::int64_t TextInterner::allocated_bytes() const {
  return static_cast<std::int64_t>(bytes_.capacity() + entries_.capacity() * sizeof(Entry) + marks_.capacity() + free_.capacity() * 4 +
                                   slots_.capacity() * 4);
}

}  // namespace headrace::data::state
