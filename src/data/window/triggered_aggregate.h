#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "data/operator/pending_folds.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// An action beside those of plan::TriggerAction, of sessions: what the group of the session that starts at the row's "end" has goes to
/// that of the one which starts at its "start".
inline constexpr std::int64_t kMergeGroup = 32;

/// Aggregates by key and window behind a trigger written in Python: each row says which window it is of, whether it is added, and whether
/// the group then comes, begins anew or is over. Nothing else makes a group come. Sessions are known by their start; their end is that of
/// the last row that named them.
/// Shape:  in typed batches that end in plan::kTriggerColumns; out key columns, the windows' bounds if they have any, one column a call,
///         event time = end - 1 ms. A group without rows does not come.
/// Errors: kExpressionFailed of an argument. Late rows are counted, and go to the side output of their tag without those columns.
/// Thread: owning task's.
class TriggeredAggregate final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds = nullptr);
  ~TriggeredAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  TriggeredAggregate(AggregateCalls calls, KeyWords keys, std::shared_ptr<arrow::Schema> output, const plan::AggregateSpec& spec,
                     int columns);
  /// Adds the rows before `row` that have not been, emits the groups that are due, and empties those that begin anew.
  Status Settle(std::span<const op::AggregateInput> inputs, std::int64_t row, op::Collector* out);
  Status Emit(op::Collector* out);
  /// Resolves rows_, and into absorbed_ the groups that go into others, one for each row that says so.
  Status Resolve(const arrow::RecordBatch& records, const std::int64_t* actions);
  Status Absorb(std::uint64_t* group, std::uint64_t* from);
  Status TakeLate(const columnar::DataBatch& batch, const std::int64_t* actions, op::Collector* out);
  /// Drops groups that are empty, once they are many, and texts that no key has any more.
  Status Tidy();
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;  // those of the spec, start and end; of sessions without the end
  const std::shared_ptr<arrow::Schema> output_;
  const std::string late_tag_;
  const bool has_bounds_, sessions_;
  const int columns_;  // of the rows themselves
  const std::uint32_t count_, stamp_,
      end_;  // words behind the functions': rows since the group began; the settling that it waits for; a session's end
  state::GroupTable groups_;
  LeftOut left_out_;
  op::LateRows late_;
  std::uint64_t settling_ = 1;
  std::int64_t emptied_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_, emptied_groups_, absorbed_;
  std::vector<const std::uint64_t*> due_;
  std::vector<std::uint8_t> not_added_;
  std::int64_t added_ = 0;  // rows, from the front
};

}  // namespace headrace::data::window
