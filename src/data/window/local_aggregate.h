#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "data/window/rows_by_slice.h"
#include "data/window/window_spec.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Column of a partial group: the functions' words, then the number of its rows. Fixed-size binary, memory order of the machine: it
/// travels between the tasks of one deployment and is never stored.
inline constexpr std::string_view kPartialColumn = "__partial";

/// In front of a shuffle by key into a windowed aggregate: adds rows up by key and slice, so that one partial group travels instead of
/// many rows. Groups are held until the watermark reaches the end of their slice (no window can need them before), until there are
/// too many, or until a barrier or the end comes. Where most rows have a key of their own it pays nothing: then rows pass as they are, and
/// it is tried again now and then.
/// Shape:  in typed batches with event times; out the same, or key columns, kPartialColumn, event time = start of the slice.
/// Errors: those of the aggregate behind it.
/// Thread: owning task's.
class LocalAggregate final : public op::Operator {
 public:
  /// A BatchAggregate for an aggregate without a window. Null when the state cannot be added up apart: by session, by rows or by the clock,
  /// with rows wanted one by one (late rows to a side output, early firing, triggers by rows), or with sets, lists, texts or times in it.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  ~LocalAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status OnBarrier(const columnar::Barrier& barrier) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return emits_; }
  MonotonicTime next_poll() const override { return emits_ ? MonotonicTime() : MonotonicTime::max(); }
  Status Finish(op::Collector* out) override { return EmitAll(out); }

 private:
  LocalAggregate(AggregateCalls calls, KeyWords keys, const WindowSpec& windows, const arrow::Schema& input,
                 const plan::AggregateSpec& spec);
  /// The groups of one slice.
  struct Part {
    std::int64_t start_ms;
    state::GroupTable groups;  ///< by key; behind the functions' words: rows
  };
  Status Add(const columnar::DataBatch& batch, const std::int64_t* times, std::int64_t least_ms, std::int64_t greatest_ms);
  /// The rows' groups, in rows_.
  Status ResolveSlices(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms,
                       std::int64_t greatest_ms);
  state::GroupTable* TableOf(std::int64_t start_ms);
  std::int64_t num_groups() const;
  Status EmitAll(op::Collector* out);
  /// The groups that out_keys_ names.
  Status EmitPiece(op::Collector* out);
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const WindowSpec windows_;
  std::shared_ptr<arrow::Schema> partial_;
  std::uint32_t count_word_;  // of a group: its rows
  bool counts_itself_;        // no function counts all rows, so that count_word_ is one more word
  std::vector<Part> parts_;   // a few; the one in use stands last
  std::vector<state::GroupTable> spare_;
  std::int64_t first_end_ms_;                  // no group's slice ends before
  std::int64_t rows_in_ = 0, groups_out_ = 0;  // since the last decision
  std::int64_t rows_to_pass_ = 0;              // as they are, before it is tried again
  bool emits_ = false;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  std::vector<const std::uint64_t*> out_keys_;
  std::vector<std::int64_t> out_times_;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_, found_;
  RowsBySlice by_slice_;
};

}  // namespace headrace::data::window
