#include "data/window/aggregate_calls.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <utility>

#include "plan/row_schema.h"

namespace headrace::data::window {
namespace {

/// valid &= bits, a byte a row; the first mask finds it empty.
void Mask(const std::uint8_t* bits, std::int64_t offset, std::int64_t rows, std::vector<std::uint8_t>* valid) {
  if (valid->empty()) valid->assign(static_cast<std::size_t>(rows), 1);
  for (std::int64_t i = 0; i < rows; ++i)
    (*valid)[static_cast<std::size_t>(i)] &= static_cast<std::uint8_t>(arrow::bit_util::GetBit(bits, offset + i));
}

}  // namespace

Result<AggregateCalls> AggregateCalls::Make(const std::vector<plan::AggregateCall>& calls, const std::shared_ptr<arrow::Schema>& input) {
  AggregateCalls made;
  std::vector<plan::TypedExpression> expressions;
  for (const plan::AggregateCall& call : calls) {
    HR_ASSIGN_OR_RAISE(plan::TypedAggregateCall settled, plan::SettleAggregate(call, *input));
    Argument argument;
    std::shared_ptr<arrow::DataType> type;
    if (!settled.arguments.empty()) {
      type = settled.arguments[0].type;
      argument.value = static_cast<int>(expressions.size());
      expressions.push_back(std::move(settled.arguments[0]));
    }
    if (settled.filter != nullptr) {
      argument.filter = static_cast<int>(expressions.size());
      expressions.push_back(std::move(*settled.filter));
    }
    made.arguments_.push_back(argument);
    HR_ASSIGN_OR_RAISE(auto function, op::MakeNumericAggregate(call.function, type, made.words_));
    made.words_ += function->state_words();
    made.functions_.push_back(std::move(function));
  }
  if (!expressions.empty()) {
    HR_ASSIGN_OR_RAISE(made.evaluator_, expression::Evaluator::Make(std::move(expressions), input));
  }
  made.valid_.resize(calls.size());
  return made;
}

op::AggregateInput AggregateCalls::InputOf(const Argument& argument, std::int64_t rows, std::vector<std::uint8_t>* valid) const {
  op::AggregateInput input;
  valid->clear();
  if (argument.value >= 0) {
    const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.value)]->data();
    if (data.GetNullCount() > 0) Mask(data.buffers[0]->data(), data.offset, rows, valid);
    if (data.type->bit_width() == 64) input.values = data.GetValues<std::int64_t>(1);
  }
  if (argument.filter >= 0) {
    const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.filter)]->data();
    Mask(data.buffers[1]->data(), data.offset, rows, valid);
    if (data.GetNullCount() > 0) Mask(data.buffers[0]->data(), data.offset, rows, valid);
  }
  if (!valid->empty()) input.valid = valid->data();
  return input;
}

Result<std::vector<op::AggregateInput>> AggregateCalls::Evaluate(const arrow::RecordBatch& batch) {
  std::vector<op::AggregateInput> inputs(arguments_.size());
  if (evaluator_ == nullptr) return inputs;
  HR_ASSIGN_OR_RAISE(results_, evaluator_->Evaluate(batch));
  for (std::size_t call = 0; call < arguments_.size(); ++call) inputs[call] = InputOf(arguments_[call], batch.num_rows(), &valid_[call]);
  return inputs;
}

}  // namespace headrace::data::window
