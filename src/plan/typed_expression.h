#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/expression.h"
#include "plan/function_table.h"

namespace headrace::plan {

/// An expression whose names and types are settled against one schema: what kernels are chosen by. Implicit conversions
/// (int64 to float64 beside a float, a literal to the other side's type) stand in it as casts. A value.
struct TypedExpression {
  enum class Kind { kColumn, kLiteral, kCall, kCast, kUser };
  Kind kind = Kind::kLiteral;
  std::shared_ptr<arrow::DataType> type;   ///< of the result
  bool nullable = true;                    ///< false: never null
  int column = -1;                         ///< kColumn: index in the schema
  std::shared_ptr<arrow::Scalar> literal;  ///< kLiteral, of `type`; null scalars of type arrow::null() fit every type
  Function function{};                     ///< kCall
  bool or_null = false;                    ///< kCast, and calls below try()
  std::vector<TypedExpression> arguments;
  std::string text;  ///< as written, for errors
};

/// Settles `expression` against `schema`. The error says which part is wrong, the types found and, for an unknown column or
/// function, the nearest name; the caller puts the operator in front.
Result<TypedExpression> Settle(const Expression& expression, const arrow::Schema& schema);

}  // namespace headrace::plan
