#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/state/group_table.h"
#include "data/window/key_words.h"
#include "data/window/sort_words.h"

namespace headrace::data::window {

/// The first rows of each group by an order: takes batches, keeps little more than what may still be among the first, gives the rows
/// in order at the end. Rows that equal each other keep the order of their arrival.
/// Owned by its operator, used on the task's thread only.
class TopRows {
 public:
  /// `ties`: rows that equal the last one taken come too. The helpers are borrowed and stand for many TopRows.
  TopRows(KeyWords* keys, SortWords* order, std::uint64_t limit, bool ties);

  Status Add(const std::shared_ptr<arrow::RecordBatch>& batch);
  /// All rows that are among the first, group by group in order, with their ranks from 1: with ties equal rows have the same rank and
  /// the next one counts them (1, 1, 3), else each has its own. Ends the collection.
  struct Ranked {
    std::shared_ptr<arrow::RecordBatch> rows;  ///< null when there are none
    std::vector<std::int64_t> ranks;
  };
  Result<Ranked> Take();
  std::int64_t allocated_bytes() const;
  /// Marks the keys of all groups.
  void MarkKeys() const {
    for (std::int64_t row = 0; row < groups_.num_rows(); ++row) keys_->Mark(groups_.RowKey(row));
  }

 private:
  struct Candidate {
    std::uint32_t group;  // row of groups_
    std::uint32_t batch;  // of batches_
    std::uint32_t row;    // in it
    std::uint32_t sort;   // position of its words, in rows of words
  };
  bool CannotBeAmong(const std::uint64_t* group, const std::uint64_t* words) const;
  /// The row of the batch in hand may be among the first.
  void Keep(const std::uint64_t* group, const std::uint64_t* words, std::uint32_t row);
  Status KeepFirst(const std::uint64_t* words, std::int64_t rows);
  Status KeepByGroup(const arrow::RecordBatch& batch, const std::uint64_t* words);
  /// Sorts, leaves the first of each group, sets their bars.
  Status Prune(std::vector<std::int64_t>* ranks);
  Result<std::shared_ptr<arrow::RecordBatch>> GatherCandidates();

  KeyWords* const keys_;
  SortWords* const order_;
  const std::uint64_t limit_;
  const bool ties_;
  state::GroupTable groups_;  // values: 1 once the group is full; the words of the last row that is among the first; the group's number
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::int64_t batch_bytes_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<std::uint64_t> words_;
  std::size_t prune_at_;
  std::vector<std::uint64_t*> rows_;
  std::vector<std::uint32_t> kept_;
};

}  // namespace headrace::data::window
