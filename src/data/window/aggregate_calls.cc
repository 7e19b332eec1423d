#include "data/window/aggregate_calls.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <bit>
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

template <typename From, typename To = std::int64_t>
const void* Widen(const arrow::ArrayData& data, std::vector<std::uint64_t>* space) {
  const auto* from = data.GetValues<From>(1);
  space->resize(static_cast<std::size_t>(data.length));
  for (std::size_t i = 0; i < space->size(); ++i) (*space)[i] = std::bit_cast<std::uint64_t>(static_cast<To>(from[i]));
  return space->data();
}

/// The values of a column as AggregateInput has them.
const void* Values(const arrow::ArrayData& data, std::vector<std::uint64_t>* space) {
  switch (data.type->id()) {
    case arrow::Type::BOOL:
      space->resize(static_cast<std::size_t>(data.length));
      for (std::int64_t i = 0; i < data.length; ++i)
        (*space)[static_cast<std::size_t>(i)] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i);
      return space->data();
    case arrow::Type::INT8:
      return Widen<std::int8_t>(data, space);
    case arrow::Type::INT16:
      return Widen<std::int16_t>(data, space);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return Widen<std::int32_t>(data, space);
    case arrow::Type::UINT8:
      return Widen<std::uint8_t>(data, space);
    case arrow::Type::UINT16:
      return Widen<std::uint16_t>(data, space);
    case arrow::Type::UINT32:
      return Widen<std::uint32_t>(data, space);
    case arrow::Type::FLOAT:
      return Widen<float, double>(data, space);
    case arrow::Type::DECIMAL128:
      return data.buffers[1]->data() + data.offset * 16;
    default:
      return data.type->bit_width() == 64 ? data.GetValues<std::int64_t>(1) : nullptr;
  }
}

}  // namespace

Result<AggregateCalls> AggregateCalls::Make(const std::vector<plan::AggregateCall>& calls, const std::shared_ptr<arrow::Schema>& input,
                                            bool retractable, op::FoldBook* folds) {
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
    HR_ASSIGN_OR_RAISE(auto function, op::MakeAggregate({call.function, type, call.limit, retractable, folds}, made.words_));
    made.words_ += function->state_words();
    made.functions_.push_back(std::move(function));
  }
  if (!expressions.empty()) {
    HR_ASSIGN_OR_RAISE(made.evaluator_, expression::Evaluator::Make(std::move(expressions), input));
  }
  made.valid_.resize(calls.size());
  made.wide_.resize(calls.size());
  return made;
}

op::AggregateInput AggregateCalls::InputOf(std::size_t call, std::int64_t rows) {
  const Argument& argument = arguments_[call];
  std::vector<std::uint8_t>* valid = &valid_[call];
  op::AggregateInput input;
  valid->clear();
  if (argument.value >= 0) {
    const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.value)]->data();
    if (data.GetNullCount() > 0) Mask(data.buffers[0]->data(), data.offset, rows, valid);
    input.values = Values(data, &wide_[call]);
    input.column = &data;
    if (data.type->id() == arrow::Type::DECIMAL128) input.value_bytes = 16;
  }
  if (argument.filter >= 0) {
    const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.filter)]->data();
    Mask(data.buffers[1]->data(), data.offset, rows, valid);
    if (data.GetNullCount() > 0) Mask(data.buffers[0]->data(), data.offset, rows, valid);
  }
  if (!valid->empty()) input.valid = valid->data();
  return input;
}

Result<std::vector<op::AggregateInput>> AggregateCalls::Evaluate(const arrow::RecordBatch& batch, const std::int64_t* event_times) {
  std::vector<op::AggregateInput> inputs(arguments_.size());
  if (evaluator_ == nullptr) return inputs;
  HR_ASSIGN_OR_RAISE(results_, evaluator_->Evaluate(batch));
  for (std::size_t call = 0; call < arguments_.size(); ++call) {
    inputs[call] = InputOf(call, batch.num_rows());
    inputs[call].event_times = event_times;
  }
  return inputs;
}

}  // namespace headrace::data::window
