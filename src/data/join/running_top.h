#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "columnar/row_kind.h"
#include "data/join/idle_groups.h"
#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/state/row_store.h"
#include "data/window/key_words.h"
#include "data/window/sort_words.h"
#include "plan/changelog.h"
#include "plan/relational.h"

namespace headrace::data::join {

/// The first rows of each key by an order, over the whole stream: every batch emits what it changed. Of rows that are never taken back only
/// those among the first are kept; else all are, since one may come up again. Rows that equal each other keep the order of their arrival.
/// With a time-to-live a key's rows are forgotten so long after the last one that might have been among the first.
/// Shape:  in typed batches, with or without row kinds; out the same columns, the rank if it has a name, row kinds; no event times.
///   With a rank and without ties a place is updated; without a rank, or with ties, rows are inserted and deleted. One row a key is
///   updated.
/// Errors: CapacityError when rows no longer fit.
/// Thread: owning task's.
class RunningTop final : public op::Operator {
 public:
  /// `updates`: the input's rows may be taken back. `before`: updates show the row that was before.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::TopSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, bool updates, bool before);
  ~RunningTop() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  static constexpr std::uint32_t kNone = state::RowStore::kNone;
  /// A row among the first.
  struct Place {
    std::uint32_t row;
    std::int64_t rank;
    bool operator==(const Place&) const = default;
  };
  /// A group that the batch in hand changed: its places before, in places_.
  struct Change {
    std::uint32_t list;
    std::size_t first, count;
  };
  RunningTop(const plan::TopSpec& spec, window::KeyWords keys, window::SortWords order, state::RowStore rows,
             std::shared_ptr<arrow::Schema> output, bool updates, bool before);
  Status Pick(const columnar::DataBatch& batch, const std::uint8_t* kinds, const std::uint64_t* words);
  bool CannotBeAmong(const std::uint64_t* group, const std::uint64_t* words) const;
  void NoteChange(std::uint64_t* group);
  /// Forgets the rows of a group.
  void Clear(std::uint64_t* group);
  void Insert(std::vector<std::uint32_t>* list, std::uint32_t row);
  void TakeBack(std::vector<std::uint32_t>* list, std::uint32_t pattern);
  void SetBar(std::uint64_t* group);
  /// The places of a list, behind those in `places`.
  void AppendPlaces(const std::vector<std::uint32_t>& list, std::vector<Place>* places) const;
  void Compare(std::span<const Place> before, std::span<const Place> after);
  void CompareSets(std::span<const Place> before, std::span<const Place> after);
  Status EmitChanges(op::Collector* out);
  Status EmitRows(std::size_t first, std::size_t count, op::Collector* out) const;
  void Give(const Place& place, columnar::RowKind kind) {
    out_rows_.push_back(place.row);
    out_ranks_.push_back(place.rank);
    out_kinds_.push_back(static_cast<std::uint8_t>(kind));
  }
  std::uint64_t* WordsOf(std::uint32_t row) const { return rows_.extra(row); }
  void AccountBytes();

  static constexpr std::uint32_t kList = 0, kStamp = 1, kFull = 2, kBar = 3;  // words of a group; the bar: of its last row, once it is full
  const std::uint64_t limit_;
  const bool ties_, has_rank_, updates_, before_;
  window::KeyWords keys_;
  window::SortWords order_;
  state::RowStore rows_;  // extra words: the order's
  const std::shared_ptr<arrow::Schema> output_;
  state::GroupTable groups_;
  IdleGroups idle_;
  std::vector<std::vector<std::uint32_t>> lists_;  // by group, in order
  std::vector<std::size_t> free_lists_;            // of groups that have gone
  std::uint64_t batch_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0, list_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint64_t*> found_;
  std::vector<std::uint32_t> indices_, numbers_, gone_;
  std::vector<Change> changes_;
  std::vector<std::uint64_t*> changed_groups_;
  std::vector<Place> places_, after_;
  std::vector<std::uint32_t> out_rows_;
  std::vector<std::int64_t> out_ranks_;
  std::vector<std::uint8_t> out_kinds_;
};

}  // namespace headrace::data::join
