#pragma once
#include <arrow/type_fwd.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/operator/operator.h"
#include "data/python/trip_line.h"
#include "data/python/trip_size.h"

namespace headrace::data::python {

/// What stages share that send rows to a worker and make rows of each answer: rows wait, make trips whose size follows how long they take,
/// and come out in the order of the batches.
/// Errors:  those of PythonStage; rows that lack a declared column or have another type in it.
/// Thread:  owning task's.
class RowTrips : public op::Operator {
 public:
  Status Open(const op::OperatorContext& context) final { return line_.Open(pool_, spec_, slot_, context); }
  bool accepting() const final { return waiting_.rows() < 2 * kTripRows; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) final;
  Status Poll(op::Collector* out) final;
  bool busy() const final { return !trips_.empty() || !waiting_.empty(); }

 protected:
  static constexpr std::int64_t kTripRows = 8192;
  /// `schema` of the rows that come, null: untyped. `pool` outlives the operator.
  RowTrips(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema, TripSize trip_size)
      : spec_(std::move(spec)), schema_(std::move(schema)), pool_(pool), slot_(slot), trip_size_(trip_size) {}
  /// The rows that an answer makes of those that were sent, one call a trip. Invalid for an answer that is none.
  virtual Result<columnar::DataBatch> Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const = 0;

  StageSpec spec_;
  std::shared_ptr<arrow::Schema> schema_;

 private:
  Status StartTrips();
  WorkerPool* pool_;
  std::uint32_t slot_;
  TripLine line_;
  TripSize trip_size_;
  BatchQueue waiting_;
  std::deque<columnar::DataBatch> trips_;  // outstanding, oldest first
};

/// Consecutive stateless Python verbs over typed rows, or over rows that keep their event times: PythonStage for the rest.
/// Shape:   in batches of `schema` (null: untyped rows); out the same rows where verbs only pick them, else untyped values or rows of
///          the type that the last map or flat_map declares. Event time and row kind go from a row to what it became.
class RecordStage final : public RowTrips {
 public:
  /// `returns`: of each function, null where it declares none.
  RecordStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema,
              std::vector<std::shared_ptr<arrow::Schema>> returns);

 private:
  Result<columnar::DataBatch> Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const override;

  std::shared_ptr<arrow::Schema> returns_;      // of the last verb that makes rows
  const StageSpec::Function* maker_ = nullptr;  // that verb; null when all of them pick
  bool keyed_;
};

/// Gives rows their event times by a Python function: row -> ms since 1970, or an aware datetime.
/// Shape: in batches of `schema` (null: untyped rows); out the same with the event-time column.
class TimestampStage final : public RowTrips {
 public:
  TimestampStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema);

 private:
  Result<columnar::DataBatch> Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const override;
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
