#pragma once
#include <arrow/type_fwd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "data/join/join_output.h"
#include "data/join/join_table.h"
#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "plan/join.h"

namespace headrace::data::join {

/// Pairs rows whose event times are close: right.time within [left.time + lower, left.time + upper], both ends included. A row is kept
/// until the watermark says that nothing can meet it any more; then, if it met nothing and its side is preserved, it comes with nulls.
/// Shape:  in typed batches with event times; out the join's columns, event time = the later one of the pair, or the row's own.
/// Watermarks are held back by as much as rows that met nothing come later than their time.
/// Errors: kBadRecord for rows without event times. Rows at or behind the watermark are counted as late and dropped.
/// Thread: owning task's.
class IntervalJoin final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                    const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs);
  ~IntervalJoin() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override {
    return held_ms_ > 0 ? out->EmitStatus(status) : Status::OK();
  }
  bool passes_watermarks() const override { return held_ms_ == 0; }
  Status Finish(op::Collector* out) override;

 private:
  using Kind = plan::JoinSpec::Kind;
  static constexpr std::uint32_t kNone = JoinTable::kNone;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

  IntervalJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, JoinTable table);
  /// Whether rows of the side come with nulls when they met nothing.
  bool Preserved(std::size_t side) const;
  bool left_only() const { return kind_ == Kind::kSemi || kind_ == Kind::kAnti; }
  /// Times of the other side that a row of this one may meet.
  std::int64_t Earliest(std::size_t side, std::int64_t time_ms) const { return Bounded(time_ms) + (side == 0 ? lower_ms_ : -upper_ms_); }
  std::int64_t Latest(std::size_t side, std::int64_t time_ms) const { return Bounded(time_ms) + (side == 0 ? upper_ms_ : -lower_ms_); }
  /// Far enough from the ends of int64 to be added to.
  static std::int64_t Bounded(std::int64_t time_ms) { return std::clamp(time_ms, -(std::int64_t{1} << 62), std::int64_t{1} << 62); }
  Status Pair(std::size_t side, std::uint32_t mine, std::int64_t time_ms, const std::uint64_t* group, std::uint32_t* matches,
              op::Collector* out);
  Status TakeRow(std::size_t side, std::uint32_t mine, std::int64_t time_ms, std::uint64_t* group, op::Collector* out);
  Status KeepRows(std::size_t side, const arrow::RecordBatch& records);
  Status ExpireUpTo(std::int64_t watermark_ms, op::Collector* out);
  void AccountBytes();

  const Kind kind_;
  const std::array<std::string, 2> late_tags_;
  const std::int64_t lower_ms_, upper_ms_;
  std::int64_t held_ms_ = 0;
  JoinTable table_;
  JoinOutput output_;
  std::array<ExpiryQueue, 2> expiry_;
  std::int64_t watermark_ms_ = kNever, emitted_ms_ = kNever;
  op::LateRows late_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand: rows to keep with their groups and matches.
  struct Kept {
    std::uint32_t mine, matches;
    std::int64_t time_ms;
    std::uint64_t* group;
  };
  std::vector<Kept> keeps_;
  std::vector<std::uint32_t> indices_, numbers_, late_rows_;
};

}  // namespace headrace::data::join
