#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "data/expression/evaluator.h"
#include "data/operator/operator.h"
#include "plan/relational.h"

namespace headrace::data::op {

/// Gives rows their event time and emits watermarks: the newest time seen less the bound, less 1 ms. Watermarks of the input end here.
/// Shape:  in batches of any rows; out the same rows with the event-time column. Rows whose timestamp is null fail with kBadRecord.
/// Thread: owning task's.
class EventTimeOperator final : public Operator {
 public:
  /// `input` null: untyped rows, which need a connector that gives event times.
  static Result<std::unique_ptr<Operator>> Make(const plan::EventTimeSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  Status Open(const OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override;
  Status Poll(Collector* out) override;
  bool passes_watermarks() const override { return false; }
  MonotonicTime next_poll() const override;

 private:
  explicit EventTimeOperator(const plan::EventTimeSpec& spec);
  Result<columnar::DataBatch> WithTimes(const columnar::DataBatch& batch);

  const plan::EventTimeSpec::Strategy strategy_;
  const std::int64_t bound_ms_;
  const Duration idle_after_;
  std::unique_ptr<expression::Evaluator> evaluator_;  // null: the rows bring their times
  const Clock* clock_ = nullptr;
  std::int64_t newest_ms_, watermark_ms_;
  MonotonicTime last_row_at_{};
  bool idle_ = false;
};

}  // namespace headrace::data::op
