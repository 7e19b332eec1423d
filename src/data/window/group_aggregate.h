#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Aggregates by key without a window: every batch emits the groups it changed, as they are behind it. The stream is an upsert by the
/// keys: the last row of a key holds.
/// Shape:  in typed batches; out key columns, one column a call; no event times.
/// Errors: kExpressionFailed of an argument; a sum beyond int64.
/// Thread: owning task's.
class GroupAggregate final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output);
  ~GroupAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  GroupAggregate(AggregateCalls calls, KeyWords keys, std::shared_ptr<arrow::Schema> output);
  Status EmitChanged(op::Collector* out);
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_;
  state::GroupTable groups_;  // behind the functions' words: the batch that changed the group last
  std::uint64_t batch_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_;
  std::vector<const std::uint64_t*> changed_keys_, changed_values_;
};

}  // namespace headrace::data::window
