#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "data/join/join_output.h"
#include "data/join/join_table.h"
#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "plan/join.h"

namespace headrace::data::join {

/// Pairs each left row with the newest right row of its key that is not newer than itself. By arrival it is the last one that came, and a
/// left row does not wait; neither side needs event times. By event time left rows wait until the watermark has reached their time, so that
/// no earlier version can come any more. Of the right side the newest version behind the watermark is kept for each key, and those ahead of
/// it. A right row that is taken back by a delete ends the version before it; an update is a new version. Shape:  in typed batches with
/// event times, the right one with or without row kinds; out the join's columns, event time = the left row's. Errors: kBadRecord for rows
/// without event times. Left rows at or behind the watermark are counted as late and dropped. Thread: owning task's.
class VersionJoin final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                    const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs);
  ~VersionJoin() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status Finish(op::Collector* out) override { return Release(std::numeric_limits<std::int64_t>::max(), out); }

 private:
  static constexpr std::uint32_t kNone = JoinTable::kNone;
  static constexpr std::int64_t kGrainMs = 1000;

  VersionJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, std::shared_ptr<arrow::Schema> left, JoinTable table);
  Status TakeLeft(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, const std::int64_t* times, op::Collector* out);
  Status TakeVersions(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, const std::int64_t* times);
  Status JoinAtOnce(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, op::Collector* out);
  void Replace(std::uint64_t* group, std::uint32_t row);
  void Prune(const std::uint64_t* group);
  std::uint32_t VersionAt(const std::uint64_t* group, std::int64_t time_ms);
  Status Release(std::int64_t watermark_ms, op::Collector* out);
  Status EmitRows(std::span<const std::uint32_t> rows, op::Collector* out);
  void AccountBytes();

  const bool keeps_left_, by_arrival_;
  const std::string late_tag_;
  const plan::JoinColumns columns_;
  const std::shared_ptr<arrow::Schema> left_;
  JoinTable table_;                   // right rows: in the order of time; count 1 = the key has no version from then on
  std::optional<JoinOutput> output_;  // by arrival made for the first left rows, with or without event times as they are
  ExpiryQueue waiting_;
  std::int64_t watermark_ms_ = std::numeric_limits<std::int64_t>::min();
  op::LateRows late_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  std::vector<std::uint32_t> indices_, numbers_, late_rows_;
};

}  // namespace headrace::data::join
