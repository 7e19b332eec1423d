#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "data/join/window_probe.h"
#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "data/window/window_spec.h"
#include "plan/join.h"

namespace headrace::data::join {

/// Joins rows of the same window: tumbling or sliding windows made here from event times, or those that the rows' own window_start and
/// window_end name. Rows wait as the batches they came in, a sliding window's in slices that its windows share; when the watermark
/// has passed a window's end it is joined as a whole, in pieces, and forgotten.
/// Shape:  in typed batches with event times, or with the columns of windows; out the join's columns; event time = window_end - 1 ms.
/// Errors: kBadRecord for rows without event times. Rows of windows that have all been given out are counted as late and dropped.
/// Thread: owning task's.
class WindowJoin final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                    const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs);
  ~WindowJoin() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status Poll(op::Collector* out) override { return firing_ ? FirePiece(out) : Status::OK(); }
  bool busy() const override { return firing_; }
  Status Finish(op::Collector* out) override;

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  struct Slice {
    std::array<WindowProbe::Batches, 2> rows;
    std::int64_t bytes = 0;
  };
  WindowJoin(const plan::JoinSpec& spec, JoinKeys keys, WindowProbe::Output output, std::optional<window::WindowSpec> windows,
             std::array<int, 2> window_end);
  /// The slice that a row belongs to, and whether all of its windows have been given out.
  std::int64_t SliceOf(std::int64_t value) const { return windows_ ? windows_->SliceStart(value) : value; }
  bool IsLate(std::int64_t slice) const {
    return closed_ms_ != kNever && (windows_ ? windows_->LastWindowEnd(slice) : slice) - 1 <= closed_ms_;
  }
  Status AddTo(std::int64_t slice, std::size_t side, std::shared_ptr<arrow::RecordBatch> rows, op::Collector* out);
  /// End of the next window that has rows and whose end the watermark has passed.
  std::optional<std::int64_t> NextEnd() const;
  Status Start(std::int64_t end_ms);
  void DropBefore(std::int64_t end_ms);
  Status FirePiece(op::Collector* out);
  void AccountBytes();

  const plan::JoinSpec::Kind kind_;
  const std::array<std::string, 2> late_tags_;
  JoinKeys keys_;
  WindowProbe::Output output_;
  const std::optional<window::WindowSpec> windows_;          // none: by the rows' window_end
  const std::array<int, 2> window_end_;                      // the column in each input
  std::map<std::int64_t, Slice> slices_;                     // by start; by window_end without windows_
  std::int64_t watermark_ms_ = kNever, closed_ms_ = kNever;  // windows up to closed_ms_ + 1 have been given out
  bool firing_ = false;
  std::int64_t firing_end_ms_ = 0;
  std::unique_ptr<WindowProbe> probe_;
  op::LateRows late_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t bytes_ = 0, accounted_bytes_ = 0;
};

}  // namespace headrace::data::join
