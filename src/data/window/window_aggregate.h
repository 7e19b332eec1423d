#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/metrics.h"
#include "data/expression/evaluator.h"
#include "data/operator/operator.h"
#include "data/window/key_words.h"
#include "data/window/sliced_aggregate.h"
#include "plan/relational.h"
#include "plan/row_schema.h"

namespace headrace::data::window {

/// Aggregates by key and tumbling or sliding event-time window. A window comes when the watermark has passed its end, in pieces,
/// so that many groups do not hold the task up; the watermark follows behind the last piece.
/// Shape:  in typed batches with event times; out key columns, window_start, window_end, one column a call, event time = end - 1 ms.
/// Errors: kExpressionFailed of an argument; kBadRecord for rows without an event time. Late rows are counted, and go to the side output
/// of their tag if there is one.
/// Thread: owning task's.
class WindowAggregate final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output);
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return firing_; }
  Status Finish(op::Collector* out) override;

 private:
  WindowAggregate() = default;
  Status PrepareCalls(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  Status EvaluateInputs(const arrow::RecordBatch& batch, std::vector<op::AggregateInput>* inputs);
  std::uint8_t* MarkLate(std::int64_t rows);  // null when nobody asks
  Status EmitLate(const columnar::DataBatch& batch, op::Collector* out);
  Status EmitPiece(op::Collector* out);
  Result<bool> EmitRows(op::Collector* out);

  struct Argument {
    int value = -1, filter = -1;  // among the evaluator's results
  };
  std::vector<Argument> arguments_;
  std::unique_ptr<expression::Evaluator> evaluator_;  // null when no call has an argument
  std::optional<KeyWords> keys_;
  std::unique_ptr<SlicedAggregate> windows_;
  std::shared_ptr<arrow::Schema> output_;
  std::string late_tag_;
  std::shared_ptr<Counter> late_;
  std::vector<std::uint8_t> late_rows_;  // a byte a row of the batch in hand, when late_tag_ asks for them

  bool firing_ = false;
  std::int64_t watermark_ms_ = 0;
  std::optional<SlicedAggregate::Fired> fired_;  // the window in hand, and the next of its groups
  std::int64_t next_group_ = 0;
  // Of the batch in hand.
  std::vector<std::vector<std::uint8_t>> valid_;
  arrow::ArrayVector results_;
  std::vector<const std::uint64_t*> row_keys_, row_values_;
};

}  // namespace headrace::data::window
