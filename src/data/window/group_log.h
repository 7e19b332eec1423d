#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace headrace::data::window {

/// Groups that were added up elsewhere and wait, as they came, for the first window that needs them. Where very many consumers get a few
/// groups of many slices each, appending touches memory that lies in a row, and the tables of slices are few at a time.
/// Shape:  a row is its key words with its state words behind them; slices leave oldest first.
/// Owned by a SlicedAggregate, its thread only.
class GroupLog {
 public:
  /// `slice_ms`: the length of a slice.
  GroupLog(std::int64_t slice_ms, std::uint32_t key_words, std::uint32_t state_words)
      : slice_ms_(slice_ms), key_words_(key_words), row_words_(key_words + state_words) {}

  bool empty() const { return oldest_ == slices_.size(); }
  /// Rows that wait.
  std::int64_t num_rows() const { return static_cast<std::int64_t>(waiting_rows_); }
  /// Appends groups [first, first + count), all of the slice that starts at start_ms: key word w of a group is keys[w][i], its state stands
  /// at states[i].
  void Append(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::span<const std::uint64_t* const> states,
              std::size_t first, std::size_t count);

  /// The rows of one slice.
  struct Slice {
    std::int64_t start_ms;
    std::span<const std::uint64_t* const> keys;    ///< by word, as columns
    std::span<const std::uint64_t* const> states;  ///< by row
  };
  /// Start of the oldest slice that waits. There must be one.
  std::int64_t OldestMs() const { return slices_[oldest_].start_ms; }
  /// The oldest slice, which waits no more. It holds until the next call of any function here.
  Slice TakeOldest();

  template <typename Visit>
  void VisitKeys(Visit visit) const {
    for (std::size_t s = oldest_; s < slices_.size(); ++s)
      for (std::uint32_t at = slices_[s].first_span; at != kNoSpan; at = spans_[at].next)
        for (std::size_t row = spans_[at].first; row < spans_[at].first + spans_[at].rows; ++row) visit(words_.data() + row * row_words_);
  }
  std::int64_t allocated_bytes() const {
    return static_cast<std::int64_t>((words_.capacity() + spare_.capacity()) * sizeof(std::uint64_t) + spans_.capacity() * sizeof(Span) +
                                     slices_.capacity() * sizeof(Waiting));
  }

 private:
  static constexpr std::uint32_t kNoSpan = 0xFFFFFFFF;
  static constexpr std::size_t kLeastDead = 4096;  // words

  /// Rows of one slice that came behind each other.
  struct Span {
    std::size_t first, rows;
    std::uint32_t next;  // of the same slice
  };
  struct Waiting {
    std::int64_t start_ms;
    std::uint32_t first_span, last_span;
    std::size_t rows;
  };
  /// The slice's place in slices_, made if it is new.
  std::size_t PlaceOf(std::int64_t start_ms);
  void PrefetchOldest() const;
  /// Gives the memory of rows that were taken to others.
  void DropTaken();

  const std::int64_t slice_ms_;
  const std::uint32_t key_words_, row_words_;
  std::vector<std::uint64_t> words_, spare_;  // rows as they came
  std::vector<Span> spans_;
  std::vector<Waiting> slices_;  // by start; those before oldest_ have been taken
  std::size_t oldest_ = 0;
  std::size_t waiting_rows_ = 0;
  // Of the slice taken last.
  std::vector<std::uint64_t> key_columns_;
  std::vector<const std::uint64_t*> keys_, states_;
};

}  // namespace headrace::data::window
