#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "data/window/row_trigger.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Aggregates by key over all rows, given out when the trigger says: a group at every so many of its rows, changed groups every so many
/// ms of the clock; and all groups at the end of the input.
/// Shape:  in typed batches; out key columns, one column a call; no event times.
/// Errors: kExpressionFailed of an argument.
/// Thread: owning task's.
class GlobalWindowAggregate final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds = nullptr);
  ~GlobalWindowAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return !firing_; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return firing_; }
  MonotonicTime next_poll() const override { return firing_ ? MonotonicTime() : early_at_; }
  Status Finish(op::Collector* out) override;

 private:
  GlobalWindowAggregate(const plan::Trigger& trigger, std::unique_ptr<RowTrigger> by_row, AggregateCalls calls, KeyWords keys,
                        std::shared_ptr<arrow::Schema> output);
  Status AddRows(const std::vector<op::AggregateInput>& inputs, std::int64_t first, std::int64_t rows);
  Status EmitGroups(const std::vector<const std::uint64_t*>& values, op::Collector* out);
  /// Goes on through all groups, or through those that have changed.
  Status FirePiece(op::Collector* out);
  void AccountBytes();

  const plan::Trigger trigger_;
  const std::unique_ptr<RowTrigger> by_row_;  // null: no trigger by rows
  AggregateCalls calls_;
  KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_;
  state::GroupTable groups_;  // behind the functions' words: rows since the group was given out, or the trigger's state
  const Clock* clock_ = nullptr;
  MonotonicTime early_at_ = MonotonicTime::max();
  bool firing_ = false, all_ = false;
  std::int64_t next_group_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  std::vector<std::uint64_t*> rows_;
};

}  // namespace headrace::data::window
