#pragma once
#include <arrow/type_fwd.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "data/expression/evaluator.h"
#include "data/operator/operator.h"
#include "data/python/trip_line.h"
#include "data/python/trip_size.h"
#include "plan/relational.h"

namespace headrace::data::python {

/// Python calls that were taken out of expressions: each becomes a column "__function<n>" that the expression reads in its place. Calls
/// inside calls come first. All calls of one step go in one trip: scalar ones, or vectorized ones.
struct FunctionStep {
  std::vector<plan::Expression> calls;
  std::vector<std::string> names;
  bool vectorized = false;
};
/// Replaces the calls in `expression` and appends them to `steps`.
plan::Expression SplitCalls(const plan::Expression& expression, std::vector<FunctionStep>* steps);
/// The input of what reads the steps' columns: they stand behind the schema's own.
std::shared_ptr<arrow::Schema> WithFunctionColumns(const arrow::Schema& schema, const std::vector<FunctionStep>& steps);

/// Adds columns that Python functions compute from others: scalar functions row by row in the worker, or functions over pyarrow arrays.
/// Shape:   in typed batches of `schema`, reserved columns behind; out the same with the calls' columns between, in order.
/// Errors:  kPythonRaised with the row's values and the user's line; also for results that are not of the declared type.
/// Thread:  owning task's; arguments are evaluated there, and trips overlap with the worker's runs.
class FunctionColumns final : public op::Operator {
 public:
  /// `pool` outlives the operator. `location`: file and line of the operator, for errors.
  static Result<std::unique_ptr<op::Operator>> Make(const FunctionStep& step, const std::shared_ptr<arrow::Schema>& schema,
                                                    WorkerPool* pool, std::uint32_t slot, const OperatorUid& uid);
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return waiting_.rows() < 2 * most_rows_ && waiting_.bytes() < BatchQueue::kMostBytes; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || !waiting_.empty(); }

 private:
  static constexpr std::int64_t kScalarRows = 8192, kVectorRows = 64 * 1024;
  FunctionColumns(std::int64_t most_rows) : most_rows_(most_rows), trip_size_(most_rows) {}
  Status StartTrips();
  /// Rows of a trip, as they came.
  using Parts = std::vector<columnar::DataBatch>;
  Status Send(Parts parts);
  Result<arrow::ArrayVector> Results(const TripAnswer& answer, std::int64_t rows) const;
  Result<arrow::ArrayVector> VectorResults(const TripAnswer& answer, std::int64_t rows) const;
  Status Emit(const columnar::DataBatch& batch, arrow::ArrayVector results, op::Collector* out);
  Status NotOfType(std::size_t call, const Status& why) const;

  WorkerPool* pool_ = nullptr;
  std::uint32_t slot_ = 0;
  StageSpec spec_;
  bool vectorized_ = false;
  int schema_columns_ = 0;
  arrow::FieldVector fields_;                         // of the calls
  std::unique_ptr<expression::Evaluator> evaluator_;  // all arguments of all calls
  std::int64_t most_rows_;
  TripSize trip_size_;
  TripLine line_;
  BatchQueue waiting_;
  std::deque<Parts> trips_;  // outstanding, oldest first
};

}  // namespace headrace::data::python
