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
#include "plan/relational.h"

namespace headrace::data::window {

/// In front of a shuffle by key into an aggregate without a window: adds the rows of each batch up by key, so that one partial group
/// travels instead of many rows. Nothing is held between batches. Where most rows of a batch have a key of their own it pays nothing: then
/// rows pass as they are, and it is tried again now and then. Shape:  in typed batches; out the same, or key columns and kPartialColumn.
/// Errors: those of the aggregate behind it.
/// Thread: owning task's.
class BatchAggregate final : public op::Operator {
 public:
  /// Null when the aggregate's state cannot be added up apart: with sets, lists, texts or times in it.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  ~BatchAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  BatchAggregate(AggregateCalls calls, KeyWords keys, const arrow::Schema& input, const plan::AggregateSpec& spec);
  Status EmitGroups(op::Collector* out);
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const bool has_keys_;
  std::shared_ptr<arrow::Schema> partial_;
  state::GroupTable groups_;                   // of the batch in hand; behind the functions' words: rows
  double most_unique_ = 0;                     // of the rows, with a group of their own: more, and rows pass
  std::int64_t rows_in_ = 0, groups_out_ = 0;  // since the last decision
  std::int64_t rows_to_pass_ = 0;              // as they are, before it is tried again
  std::vector<std::uint64_t*> rows_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
};

}  // namespace headrace::data::window
