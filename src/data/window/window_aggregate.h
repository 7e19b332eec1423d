#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "data/operator/operator.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Aggregates by key and event-time window: what all kinds of windows have in common. A window comes when the watermark has passed its
/// end, in pieces, so that many groups do not hold the task up; the watermark follows behind the last piece.
/// Shape:  in typed batches with event times; out key columns, window_start, window_end, one column a call, event time = end - 1 ms.
/// Errors: kExpressionFailed of an argument; kBadRecord for rows without an event time. Late rows are counted, and go to the side output
/// of their tag if there is one.
/// Thread: owning task's.
class WindowAggregate : public op::Operator {
 public:
  /// The operator for the kind of window that `spec` names.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output);
  ~WindowAggregate() override;
  Status Open(const op::OperatorContext& context) final;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) final;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) final;
  Status Poll(op::Collector* out) final;
  bool busy() const final { return firing_; }
  Status Finish(op::Collector* out) final;

 protected:
  static constexpr std::int64_t kPieceRows = 4096;

  struct Parts {
    AggregateCalls calls;
    KeyWords keys;
    std::shared_ptr<arrow::Schema> output;  ///< with the event time behind its columns
    std::string late_tag;
  };
  explicit WindowAggregate(Parts parts);

  /// Takes rows in; gives the number of those that no window takes, and marks them in `late` unless it is null.
  virtual Result<std::int64_t> AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                       std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) = 0;
  /// Emits at most kPieceRows rows of windows that end at or before watermark + 1. True when there may be more.
  virtual Result<bool> EmitPiece(std::int64_t watermark_ms, op::Collector* out) = 0;
  virtual std::int64_t allocated_bytes() const = 0;
  virtual const AggregateCalls::Functions& functions() const = 0;
  /// Marks the keys of all groups that are held.
  virtual void MarkKeys(KeyWords* keys) const = 0;

  /// Emits rows by pointers to their key words and values. The bounds: one of each for all rows, or one a row.
  Status EmitRows(std::span<const std::uint64_t* const> keys, std::span<const std::uint64_t* const> values,
                  std::span<const std::int64_t> starts_ms, std::span<const std::int64_t> ends_ms, op::Collector* out);

 private:
  std::uint8_t* MarkLate(std::int64_t rows);  // null when nobody asks
  Status EmitLate(const columnar::DataBatch& batch, op::Collector* out);
  Status FirePiece(op::Collector* out);
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_;
  const std::string late_tag_;
  std::shared_ptr<Counter> late_;
  std::vector<std::uint8_t> late_rows_;  // a byte a row of the batch in hand, when late_tag_ asks for them
  bool firing_ = false;
  std::int64_t watermark_ms_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
};

}  // namespace headrace::data::window
