#pragma once
#include <arrow/type_fwd.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "data/operator/operator.h"
#include "data/python/trip_line.h"
#include "data/python/trip_size.h"

namespace headrace::data::python {

/// Consecutive stateless Python verbs over typed rows, or over rows that keep their event times: PythonStage for the rest.
/// Shape:   in batches of `schema` (null: untyped rows); out the same rows where verbs only pick them, else untyped values or rows of
///          the type that the last map or flat_map declares. Event time and row kind go from a row to what it became.
/// Errors:  those of PythonStage; rows that lack a declared column or have another type in it.
/// Thread:  owning task's.
class RecordStage final : public op::Operator {
 public:
  /// `returns`: of each function, null where it declares none. `pool` outlives the operator.
  RecordStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema,
              std::vector<std::shared_ptr<arrow::Schema>> returns);
  Status Open(const op::OperatorContext& context) override { return line_.Open(pool_, spec_, slot_, context); }
  bool accepting() const override { return waiting_.rows() < 2 * kTripRows; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || !waiting_.empty(); }

 private:
  static constexpr std::int64_t kTripRows = 8192;
  Status StartTrips();
  Result<columnar::DataBatch> Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const;

  WorkerPool* pool_;
  StageSpec spec_;
  std::uint32_t slot_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> returns_;      // of the last verb that makes rows
  const StageSpec::Function* maker_ = nullptr;  // that verb; null when all of them pick
  bool keyed_;
  TripLine line_;
  TripSize trip_size_;
  BatchQueue waiting_;
  std::deque<columnar::DataBatch> trips_;  // outstanding, oldest first
};

/// Gives rows their event times by a Python function: row -> ms since 1970, or an aware datetime.
/// Shape: in batches of `schema` (null: untyped rows); out the same with the event-time column. Errors, thread: as RecordStage.
class TimestampStage final : public op::Operator {
 public:
  TimestampStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema);
  Status Open(const op::OperatorContext& context) override { return line_.Open(pool_, spec_, slot_, context); }
  bool accepting() const override { return waiting_.rows() < 2 * kTripRows; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || !waiting_.empty(); }

 private:
  static constexpr std::int64_t kTripRows = 8192;
  Status StartTrips();
  WorkerPool* pool_;
  StageSpec spec_;
  std::uint32_t slot_;
  std::shared_ptr<arrow::Schema> schema_;
  TripLine line_;
  TripSize trip_size_{kTripRows};
  BatchQueue waiting_;
  std::deque<columnar::DataBatch> trips_;
};

/// Typed rows as untyped values, dicts or dataclass instances, for verbs that fold values. Keeps keys and times.
class RowsToValues final : public op::Operator {
 public:
  explicit RowsToValues(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}
  Status Open(const op::OperatorContext& context) override { return Status::OK(); }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace headrace::data::python
