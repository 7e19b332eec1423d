#include "data/state/text_interner.h"

#include <algorithm>
#include <cstring>

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
    if (entries_[number].hash != hash || Text(number) != text) continue;
    if (marking_) marks_[number] = 1;
    return number;
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
  if (text.size() > 0xFFFFFFFF) return Status::CapacityError("a key of more than 4 GiB");
  auto* bytes = static_cast<char*>(heap_.Allocate(text.size()));
  if (!text.empty()) std::memcpy(bytes, text.data(), text.size());
  entries_[number] = {hash, bytes, static_cast<std::uint32_t>(text.size())};
  marks_[number] = marking_ ? 1 : 0;
  if (static_cast<std::size_t>(++num_texts_) * 2 > slots_.size()) {
    Reindex(slots_.size() * 2);
  } else {
    Insert(number);
  }
  return number;
}

void TextInterner::Insert(std::uint32_t number) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = entries_[number].hash & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = number + 1;
}

/// Those that the number had pushed on move back, so that no search ends too early.
void TextInterner::Erase(std::uint32_t number) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = entries_[number].hash & mask;
  while (slots_[hole] != number + 1) hole = (hole + 1) & mask;
  for (std::size_t next = (hole + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
    const std::size_t home = entries_[slots_[next] - 1].hash & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = 0;
}

void TextInterner::Reindex(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::uint32_t number = 0; number < entries_.size(); ++number)
    if (entries_[number].text != nullptr) Insert(number);
}

bool TextInterner::SweepSome(std::int64_t most) {
  marking_ = true;
  const std::size_t end = std::min(entries_.size(), next_to_sweep_ + static_cast<std::size_t>(most));
  for (; next_to_sweep_ < end; ++next_to_sweep_) {
    Entry& entry = entries_[next_to_sweep_];
    const bool in_use = marks_[next_to_sweep_] != 0;
    marks_[next_to_sweep_] = 0;
    if (in_use || entry.text == nullptr) continue;
    const auto number = static_cast<std::uint32_t>(next_to_sweep_);
    Erase(number);
    heap_.Free(const_cast<char*>(entry.text), entry.size);
    entry = {};
    free_.push_back(number);
    --num_texts_;
  }
  if (next_to_sweep_ < entries_.size()) return false;
  next_to_sweep_ = 0;
  marking_ = false;
  // Numbers that were given behind the sweep's place are marked still.
  std::fill(marks_.begin(), marks_.end(), 0);
  sweep_at_ = std::max(kFirstSweep, num_texts_ * 2);
  return true;
}

void TextInterner::Sweep() {
  while (!SweepSome(1 << 20)) {
  }
}

std::int64_t TextInterner::allocated_bytes() const {
  return heap_.allocated_bytes() +
         static_cast<std::int64_t>(entries_.capacity() * sizeof(Entry) + marks_.capacity() + free_.capacity() * 4 + slots_.capacity() * 4);
}

}  // namespace headrace::data::state
