#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/join/join_keys.h"
#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "plan/join.h"

namespace headrace::data::join {

/// Joins the rows of one window, both sides complete: a table of the smaller side, then the other side batch by batch, in pieces, so that
/// a window with many pairs does not hold the task up.
/// Owned by its operator, used on the task's thread only.
class WindowProbe {
 public:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;
  struct Output {
    std::shared_ptr<arrow::Schema> schema;  ///< the columns, then the event time
    std::vector<plan::JoinColumns::Column> columns;
    std::int64_t start_ms, end_ms;
  };

  /// `keys` is borrowed.
  static Result<std::unique_ptr<WindowProbe>> Make(plan::JoinSpec::Kind kind, JoinKeys* keys, std::array<Batches, 2> sides, Output output);
  /// Emits one piece, unless it was the end: false. A busy task is stepped again only when it moved something.
  Result<bool> EmitPiece(op::Collector* out);

 private:
  using Kind = plan::JoinSpec::Kind;
  static constexpr std::size_t kPieceRows = 4096;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  WindowProbe(Kind kind, JoinKeys* keys, Output output)
      : kind_(kind), keys_(keys), output_(std::move(output)), groups_(keys->words(), kGroupWords) {}
  Status Build();
  Status NextBatch();
  void CollectPairs();
  void CollectBuilt();
  bool Preserved(std::size_t side) const;
  bool left_only() const { return kind_ == Kind::kSemi || kind_ == Kind::kAnti; }
  /// `probed` or `built` may be empty: nulls stand for that side.
  Status Emit(std::span<const std::uint32_t> probed, std::span<const std::uint32_t> built, op::Collector* out) const;

  static constexpr std::uint32_t kMatched = 1, kGroupWords = 2;  // words of a group: its first row + 1; 1 once a row met it
  const Kind kind_;
  JoinKeys* const keys_;
  const Output output_;
  std::size_t build_ = 1, probe_ = 0;          // sides
  std::shared_ptr<arrow::RecordBatch> built_;  // null when the side has no rows
  Batches probes_;
  state::GroupTable groups_;
  std::vector<std::uint32_t> next_;       // by built row
  std::vector<std::uint64_t*> group_of_;  // by built row; null for null keys
  // The probed batch in hand, the next of its rows, and the next built row of that.
  std::size_t next_batch_ = 0, row_ = 0, built_row_ = 0;
  std::uint32_t chain_ = kNone;
  bool in_chain_ = false;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<std::uint64_t*> found_;
  std::vector<std::uint32_t> probed_, matched_, alone_;
};

}  // namespace headrace::data::join
