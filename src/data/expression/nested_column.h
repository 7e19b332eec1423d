#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "plan/typed_expression.h"

namespace headrace::data::expression {

/// A column made of a struct's or list's column for a whole batch, before the kernels run: a field, the number of elements, an element,
/// whether a value is among them. Null where the struct or list is null.
/// A value; borrowed by nobody. Thread: its owner's.
class NestedColumn {
 public:
  /// Whether a call is one of these: kernels have no vectors of lists and structs.
  static bool IsOne(const plan::TypedExpression& expression);
  /// NotImplemented for positions and values that are no literals.
  static Result<NestedColumn> Make(const plan::TypedExpression& call);
  Result<std::shared_ptr<arrow::Array>> Of(const arrow::Array& nested) const;

 private:
  Result<std::shared_ptr<arrow::Array>> Elements(const arrow::ListArray& lists) const;
  Result<std::shared_ptr<arrow::Array>> Contains(const arrow::ListArray& lists) const;

  plan::Function function_ = plan::Function::kField;
  std::int64_t index_ = 0;  ///< of the field or the element
  std::shared_ptr<arrow::Scalar> value_;
};

}  // namespace headrace::data::expression
