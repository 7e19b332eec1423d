#include "data/expression/nested_column.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "data/expression/program.h"

namespace headrace::data::expression {

using plan::Function;

bool NestedColumn::IsOne(const plan::TypedExpression& expression) {
  if (expression.kind != plan::TypedExpression::Kind::kCall) return false;
  const Function function = expression.function;
  return function == Function::kField || function == Function::kElement || function == Function::kListLength ||
         function == Function::kListContains;
}

Result<NestedColumn> NestedColumn::Make(const plan::TypedExpression& call) {
  NestedColumn made;
  made.function_ = call.function;
  if (call.function == Function::kListLength) return made;
  const plan::TypedExpression& argument = call.arguments[1];
  if (argument.kind != plan::TypedExpression::Kind::kLiteral)
    return Status::NotImplemented(plan::EntryOf(call.function).name, " with a position or value that is no literal");
  made.value_ = argument.literal;
  if (call.function == Function::kField)
    made.index_ = static_cast<const arrow::StructType&>(*call.arguments[0].type).GetFieldIndex(argument.literal->ToString());
  if (call.function == Function::kElement && argument.literal->is_valid)
    made.index_ = static_cast<const arrow::Int64Scalar&>(*argument.literal).value;
  return made;
}

Result<std::shared_ptr<arrow::Array>> NestedColumn::Of(const arrow::Array& nested) const {
  if (function_ == Function::kField) return static_cast<const arrow::StructArray&>(nested).GetFlattenedField(static_cast<int>(index_));
  const auto& lists = static_cast<const arrow::ListArray&>(nested);
  if (function_ == Function::kElement) return Elements(lists);
  if (function_ == Function::kListContains) return Contains(lists);
  arrow::Int64Builder lengths;
  HR_RETURN_NOT_OK(lengths.Reserve(lists.length()));
  for (std::int64_t i = 0; i < lists.length(); ++i) {
    if (lists.IsNull(i))
      lengths.UnsafeAppendNull();
    else
      lengths.UnsafeAppend(lists.value_length(i));
  }
  return lengths.Finish();
}

Result<std::shared_ptr<arrow::Array>> NestedColumn::Elements(const arrow::ListArray& lists) const {
  HR_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(lists.value_type()));
  const arrow::ArraySpan values(*lists.values()->data());
  for (std::int64_t i = 0; i < lists.length(); ++i) {
    const std::int64_t length = lists.IsNull(i) ? 0 : lists.value_length(i);
    const std::int64_t at = index_ < 0 ? length + index_ : index_;
    if (!value_->is_valid || at < 0 || at >= length)
      HR_RETURN_NOT_OK(builder->AppendNull());
    else
      HR_RETURN_NOT_OK(builder->AppendArraySlice(values, lists.value_offset(i) + at, 1));
  }
  return builder->Finish();
}

/// True when it is there; else null when a null is there, or false.
Result<std::shared_ptr<arrow::Array>> NestedColumn::Contains(const arrow::ListArray& lists) const {
  HR_ASSIGN_OR_RAISE(const auto wanted, arrow::MakeArrayFromScalar(*value_, 1));
  const arrow::Array& values = *lists.values();
  const auto options = arrow::EqualOptions::Defaults().nans_equal(true);
  arrow::BooleanBuilder found;
  HR_RETURN_NOT_OK(found.Reserve(lists.length()));
  for (std::int64_t i = 0; i < lists.length(); ++i) {
    bool is_in = false, has_null = false;
    const std::int64_t end = lists.IsNull(i) ? 0 : lists.value_offset(i + 1);
    for (std::int64_t at = lists.IsNull(i) ? 0 : lists.value_offset(i); at < end && !is_in; ++at) {
      has_null = has_null || values.IsNull(at);
      is_in = value_->is_valid && values.IsValid(at) && values.RangeEquals(*wanted, at, at + 1, 0, options);
    }
    if (is_in)
      found.UnsafeAppend(true);
    else if (lists.IsNull(i) || has_null || !value_->is_valid)
      found.UnsafeAppendNull();
    else
      found.UnsafeAppend(false);
  }
  return found.Finish();
}

}  // namespace headrace::data::expression
