#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "data/expression/evaluator.h"
#include "data/operator/aggregate_function.h"
#include "data/window/aggregate_states.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// The calls of an aggregate: the functions with their words side by side, and the expressions that feed them.
/// Owned by its operator, used on the task's thread only.
class AggregateCalls {
 public:
  using Functions = window::Functions;

  /// Invalid when a call does not fit the columns. `retractable`: rows may be taken back (op::AggregateFunction::Retract).
  /// `folds`: where calls that are folded elsewhere enter their functions; null when nobody folds.
  static Result<AggregateCalls> Make(const std::vector<plan::AggregateCall>& calls, const std::shared_ptr<arrow::Schema>& input,
                                     bool retractable = false, op::FoldBook* folds = nullptr);
  /// Words of a group's state; function after function from word 0.
  std::uint32_t state_words() const { return words_; }
  const Functions& functions() const { return functions_; }
  /// Gives the functions away; state_words() stays.
  Functions TakeFunctions() { return std::move(functions_); }

  /// One input a function, from the rows of a batch; they hold until the next call. `event_times`: ms a row, or null.
  /// kExpressionFailed of an argument.
  Result<std::vector<op::AggregateInput>> Evaluate(const arrow::RecordBatch& batch, const std::int64_t* event_times = nullptr);

 private:
  struct Argument {
    int value = -1, filter = -1;  // among the evaluator's results
  };
  op::AggregateInput InputOf(std::size_t call, std::int64_t rows);

  Functions functions_;
  std::uint32_t words_ = 0;
  std::vector<Argument> arguments_;
  std::unique_ptr<expression::Evaluator> evaluator_;  // null when no call has an argument
  // Of the batch in hand.
  arrow::ArrayVector results_;
  std::vector<std::vector<std::uint8_t>> valid_;
  std::vector<std::vector<std::uint64_t>> wide_;  // values of less than 8 bytes, widened
};

}  // namespace headrace::data::window
