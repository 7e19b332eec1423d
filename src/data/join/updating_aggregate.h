#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/join/idle_groups.h"
#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/aggregate_states.h"
#include "data/window/key_words.h"
#include "plan/relational.h"

namespace headrace::data::join {

/// Aggregates by key without a window: every batch emits the groups it changed, as they are behind it. Rows that are taken back leave their
/// group, and a group without rows is deleted; the one group of an aggregate without keys never is. With a time-to-live a group is
/// forgotten so long after its last row, and begins anew with the next one. Shape:  in typed batches, with or without row kinds; out key
/// columns, one column a call, row kinds; no event times. Errors: kExpressionFailed of an argument; a sum beyond int64; NotImplemented at
/// Make() for an aggregate that cannot take rows back. Thread: owning task's.
class UpdatingAggregate final : public op::Operator {
 public:
  /// `updates`: the input's rows may be taken back. `before`: updates show the row that was before, and none when nothing changed.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, bool updates, bool before,
                                                    op::FoldBook* folds = nullptr);
  ~UpdatingAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  UpdatingAggregate(window::AggregateCalls calls, window::KeyWords keys, std::shared_ptr<arrow::Schema> output,
                    const plan::AggregateSpec& spec, bool before);
  void EndIdle();
  /// Marks rows that take back what was forgotten: nothing is to be done for them.
  void SkipForgotten(const std::uint8_t* kinds);
  void FindChanged();
  Status FoldGroups(const arrow::ArrayData& groups);
  Status Fold(const std::vector<op::AggregateInput>& inputs, const std::uint8_t* kinds);
  Result<arrow::ArrayVector> Results() const;
  /// Rows to show: of changed groups, before and after; kinds.
  struct Shown {
    std::vector<std::uint32_t> groups, rows;  // position among the changed; row of the results before, or behind them after
    std::vector<std::uint8_t> kinds;
  };
  Shown Choose(const arrow::ArrayVector& before, const arrow::ArrayVector& after) const;
  Status Emit(const Shown& shown, const arrow::ArrayVector& before, const arrow::ArrayVector& after, op::Collector* out) const;
  void Tidy();
  void AccountBytes();

  window::AggregateCalls calls_;
  window::KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_;
  const bool has_keys_, before_;
  const std::uint32_t stamp_, count_;  // words of a group behind the functions': the batch that changed it last; its rows
  IdleGroups idle_;
  state::GroupTable groups_;
  std::uint64_t batch_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_, changed_;
  std::vector<std::uint8_t> had_rows_, back_, stays_;
  window::LeftOut without_;
};

}  // namespace headrace::data::join
