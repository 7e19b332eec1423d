#include "data/window/group_log.h"

#include <algorithm>
#include <utility>

namespace headrace::data::window {

/// Slices mostly stand side by side: how far one is from the oldest tells its place.
std::size_t GroupLog::PlaceOf(std::int64_t start_ms) {
  if (!empty()) {
    const std::int64_t behind = (start_ms - slices_[oldest_].start_ms) / slice_ms_;
    const std::size_t guess = oldest_ + static_cast<std::size_t>(std::max<std::int64_t>(behind, 0));
    if (guess < slices_.size() && slices_[guess].start_ms == start_ms) return guess;
  }
  const auto at = std::lower_bound(slices_.begin() + static_cast<std::ptrdiff_t>(oldest_), slices_.end(), start_ms,
                                   [](const Waiting& slice, std::int64_t ms) { return slice.start_ms < ms; });
  const auto place = static_cast<std::size_t>(at - slices_.begin());
  if (at == slices_.end() || at->start_ms != start_ms) slices_.insert(at, Waiting{start_ms, kNoSpan, kNoSpan, 0});
  return place;
}

void GroupLog::Append(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::span<const std::uint64_t* const> states,
                      std::size_t first, std::size_t count) {
  const std::size_t taken_words = words_.size() - waiting_rows_ * row_words_;
  if (empty() || taken_words > kLeastDead + waiting_rows_ * row_words_) DropTaken();
  Waiting& slice = slices_[PlaceOf(start_ms)];
  const auto span = static_cast<std::uint32_t>(spans_.size());
  (slice.first_span == kNoSpan ? slice.first_span : spans_[slice.last_span].next) = span;
  slice.last_span = span;
  slice.rows += count;
  spans_.push_back({words_.size() / row_words_, count, kNoSpan});
  waiting_rows_ += count;
  words_.resize(words_.size() + count * row_words_);
  std::uint64_t* row = words_.data() + words_.size() - count * row_words_;
  for (std::size_t i = first; i < first + count; ++i) {
    for (const std::uint64_t* key : keys) *row++ = key[i];
    row = std::copy_n(states[i], row_words_ - key_words_, row);
  }
}

/// Slice by slice, so that the rows of one stand together.
void GroupLog::DropTaken() {
  slices_.erase(slices_.begin(), slices_.begin() + static_cast<std::ptrdiff_t>(oldest_));
  oldest_ = 0;
  if (slices_.empty()) {
    words_.clear();
    spans_.clear();
    return;
  }
  spare_.clear();
  std::vector<Span> spans;
  for (Waiting& slice : slices_) {
    const std::size_t first = spare_.size() / row_words_;
    for (std::uint32_t at = slice.first_span; at != kNoSpan; at = spans_[at].next) {
      const auto from = words_.begin() + static_cast<std::ptrdiff_t>(spans_[at].first * row_words_);
      spare_.insert(spare_.end(), from, from + static_cast<std::ptrdiff_t>(spans_[at].rows * row_words_));
    }
    slice.first_span = slice.last_span = static_cast<std::uint32_t>(spans.size());
    spans.push_back({first, slice.rows, kNoSpan});
  }
  words_.swap(spare_);
  spans_ = std::move(spans);
}

/// Rows were written long ago, in many places: they come while the slice before them is added up.
void GroupLog::PrefetchOldest() const {
  constexpr std::size_t kLineWords = 8;
  for (std::uint32_t at = slices_[oldest_].first_span; at != kNoSpan; at = spans_[at].next)
    for (std::size_t word = 0; word < spans_[at].rows * row_words_; word += kLineWords)
      __builtin_prefetch(words_.data() + spans_[at].first * row_words_ + word);
}

GroupLog::Slice GroupLog::TakeOldest() {
  const Waiting& slice = slices_[oldest_++];
  key_columns_.resize(slice.rows * key_words_);
  keys_.resize(key_words_);
  for (std::uint32_t w = 0; w < key_words_; ++w) keys_[w] = key_columns_.data() + w * slice.rows;
  states_.resize(slice.rows);
  std::size_t to = 0;
  for (std::uint32_t at = slice.first_span; at != kNoSpan; at = spans_[at].next) {
    const std::uint64_t* row = words_.data() + spans_[at].first * row_words_;
    for (std::size_t i = 0; i < spans_[at].rows; ++i, ++to, row += row_words_) {
      for (std::uint32_t w = 0; w < key_words_; ++w) key_columns_[w * slice.rows + to] = row[w];
      states_[to] = row + key_words_;
    }
  }
  waiting_rows_ -= slice.rows;
  if (!empty()) PrefetchOldest();
  return {slice.start_ms, keys_, states_};
}

}  // namespace headrace::data::window
