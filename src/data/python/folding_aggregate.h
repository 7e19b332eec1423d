#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <vector>

#include "data/operator/operator.h"
#include "data/operator/pending_folds.h"
#include "data/python/trip_line.h"
#include "plan/relational.h"

namespace headrace::data::python {

/// An aggregate with accumulators written in Python: after each batch the rows of all groups go to the worker in one trip, with the
/// groups' accumulators, and come back folded. The groups, windows and sessions themselves are those of the native aggregate inside; it
/// sees no row, timer or watermark while a trip is out, so that its states never change under the trip.
/// Shape:   as the aggregate inside; a call gives plan::FoldType.
/// Errors:  as the aggregate inside; kPythonRaised with the value and the user's line.
/// Thread:  owning task's.
class FoldingAggregate final : public op::Operator {
 public:
  /// `inside`: the aggregate, which has entered its functions in `folds`. `pool` outlives the operator.
  static std::unique_ptr<op::Operator> Make(std::unique_ptr<op::Operator> inside, std::unique_ptr<op::FoldBook> folds,
                                            const plan::AggregateSpec& spec, WorkerPool* pool, std::uint32_t slot, const OperatorUid& uid);
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return waiting_.rows() < 2 * kTripRows; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return folding() || !waiting_.empty() || inside_->busy(); }
  Status Finish(op::Collector* out) override { return inside_->Finish(out); }
  Status Flush(op::Collector* out) override { return inside_->Flush(out); }
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override { return inside_->OnWatermark(watermark, out); }
  bool passes_watermarks() const override { return inside_->passes_watermarks(); }
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override {
    return inside_->OnWatermarkStatus(status, out);
  }
  MonotonicTime next_poll() const override { return folding() ? MonotonicTime::max() : inside_->next_poll(); }
  Status OnBarrier(const columnar::Barrier& barrier) override { return inside_->OnBarrier(barrier); }
  void RequestStop() override { inside_->RequestStop(); }

 private:
  static constexpr std::int64_t kTripRows = 8192, kTripBytes = 8 << 20;
  FoldingAggregate(std::unique_ptr<op::Operator> inside, std::unique_ptr<op::FoldBook> folds)
      : folds_(std::move(folds)), inside_(std::move(inside)) {}
  /// Rows are with the worker, or about to go.
  bool folding() const { return line_.outstanding() > 0 || has_pending(); }
  bool has_pending() const;
  Status SendTrips();
  Status TakeAnswer(const TripAnswer& answer);
  Status GoOn(op::Collector* out);

  const std::unique_ptr<op::FoldBook> folds_;
  const std::unique_ptr<op::Operator> inside_;
  WorkerPool* pool_ = nullptr;
  std::uint32_t slot_ = 0;
  StageSpec spec_;
  TripLine line_;
  BatchQueue waiting_;
};

}  // namespace headrace::data::python
