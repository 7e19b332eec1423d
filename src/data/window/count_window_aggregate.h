#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "data/window/state_pool.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Aggregates by key over windows of rows: at every `every` rows of a key over its last `rows` rows (at first over fewer). Rows count in
/// the order of arrival. A row touches one slice of gcd(rows, every) rows. What is not complete at the end of the input does not come.
/// Shape:  in typed batches; out key columns, one column a call; the event time of the row that completed the window, if it has one.
/// Errors: kExpressionFailed of an argument.
/// Thread: owning task's. A key's count, and its last rows' slices, are kept for good.
class CountWindowAggregate final : public op::Operator {
 public:
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds = nullptr);
  ~CountWindowAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  /// A window that a row of the batch has completed.
  struct Fired {
    const std::uint64_t* key;
    std::size_t first_slice, slices;  // of fired_slices_, newest first
    std::int64_t row;
  };
  CountWindowAggregate(const plan::Window& window, AggregateCalls calls, KeyWords keys, std::shared_ptr<arrow::Schema> output);
  void Place(std::uint64_t* counted, std::int64_t row);
  void Complete(std::uint64_t* counted, std::int64_t row);
  Status Emit(const std::int64_t* times, op::Collector* out);
  Status EmitPiece(std::size_t first, std::size_t count, const std::int64_t* times, op::Collector* out);
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_, output_with_time_;
  const std::uint64_t slice_rows_, window_slices_, every_slices_;
  StatePool states_;
  state::GroupTable counted_;  // by key: rows, the slice in hand + 1, then a ring of the complete slices + 1
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_, groups_;
  std::vector<Fired> fired_;
  std::vector<std::uint32_t> fired_slices_, gone_;
};

}  // namespace headrace::data::window
