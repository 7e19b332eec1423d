#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/join/join_output.h"
#include "data/join/join_table.h"
#include "data/operator/operator.h"
#include "plan/join.h"

namespace headrace::data::join {

/// The join without a bound in time: every row meets all kept rows of the other side with its key, when it comes. Rows are kept for ever,
/// or for a time by the machine's clock. Inputs may be updated: a row that is taken back takes its pairs along. What no pair holds of a
/// preserved side comes once with nulls, and is taken back when it meets its first row. Shape:  in typed batches, with or without row
/// kinds; out the join's columns, row kinds when the join can take back; no event times. Errors: CapacityError when a side's rows no longer
/// fit its table. Thread: owning task's.
class RegularJoin final : public op::Operator {
 public:
  /// `right_updates`: rows of the right side may be taken back. `kinds`: the output has row kinds.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                    const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs, bool right_updates,
                                                    bool kinds);
  ~RegularJoin() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  MonotonicTime next_poll() const override { return next_poll_; }

 private:
  using Kind = plan::JoinSpec::Kind;
  static constexpr std::uint32_t kNone = JoinTable::kNone;

  RegularJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, JoinTable table, bool kinds);
  bool Preserved(std::size_t side) const { return kind_ == Kind::kFull || (side == 0 ? kind_ == Kind::kLeft : kind_ == Kind::kRight); }
  bool left_only() const { return kind_ == Kind::kSemi || kind_ == Kind::kAnti; }
  Status KeepRows(std::size_t side, const columnar::DataBatch& batch, const std::uint8_t* kinds);
  Status Unmatched(std::size_t side, std::uint32_t mine, bool back, op::Collector* out);
  Status PairWith(std::size_t side, std::uint32_t mine, const std::uint64_t* group, columnar::RowKind kind, std::uint32_t* matches,
                  op::Collector* out);
  Status NoteMatch(std::size_t side, std::uint32_t other, bool back, op::Collector* out);
  Status TakeIn(std::size_t side, std::uint32_t mine, std::uint32_t row, std::uint64_t* group, columnar::RowKind kind, op::Collector* out);
  Status TakeBack(std::size_t side, std::uint32_t mine, std::uint32_t pattern, std::uint64_t* group, columnar::RowKind kind,
                  op::Collector* out);
  void Expire();
  void AccountBytes();

  const Kind kind_;
  const std::array<std::uint64_t, 2> ttl_ms_;
  JoinTable table_;
  JoinOutput output_;
  std::array<std::optional<ExpiryQueue>, 2> expiry_;
  const Clock* clock_ = nullptr;
  MonotonicTime next_poll_ = MonotonicTime::max();
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint32_t> indices_, kept_;
  bool removed_ = false;
};

}  // namespace headrace::data::join
