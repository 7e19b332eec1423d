#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "data/window/top_rows.h"
#include "data/window/window_assigner.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// The first rows of each window of its input by an order, within keys. The windows are those of the rows' window_end, or the plan's
/// own; one comes when the watermark has passed its end, in pieces; the watermark follows behind the last.
/// Shape:  in typed batches with a window_end column, or with event times; out the columns that came in (with the plan's own windows
///         also their bounds) and the rank, if it has a name; event time = window_end - 1 ms.
/// Errors: none of its own. Rows of a window that has been given out are counted as late and dropped.
/// Thread: owning task's.
class WindowTop final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::TopSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output);
  ~WindowTop() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status Poll(op::Collector* out) override { return firing_ ? FirePiece(out) : Status::OK(); }
  bool busy() const override { return firing_; }
  Status Finish(op::Collector* out) override;

 private:
  WindowTop(const plan::TopSpec& spec, KeyWords keys, SortWords order, std::shared_ptr<arrow::Schema> output, int window_end,
            std::optional<WindowAssigner> assigner);
  Status AddByTime(const columnar::DataBatch& batch);
  Status AddTo(std::int64_t end_ms, const std::shared_ptr<arrow::RecordBatch>& rows);
  Status FirePiece(op::Collector* out);
  Status EmitPiece(op::Collector* out);
  void AccountBytes();

  const std::uint64_t limit_;
  const bool ties_, has_rank_;
  KeyWords keys_;
  SortWords order_;
  const std::shared_ptr<arrow::Schema> output_;
  const int window_end_;
  std::optional<WindowAssigner> assigner_;   // none: the rows have windows
  const bool adds_bounds_;                   // to whole windows when they come, instead of to each row
  std::map<std::int64_t, TopRows> windows_;  // by end
  std::int64_t watermark_ms_;
  bool firing_ = false;
  TopRows::Ranked ranked_;  // the window in hand, and the next of its rows
  std::int64_t ranked_end_ms_ = 0, next_row_ = 0;
  op::LateRows late_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  std::vector<std::uint32_t> rows_of_window_;
};

}  // namespace headrace::data::window
