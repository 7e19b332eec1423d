#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <vector>

#include "base/status.h"
#include "plan/function_table.h"
#include "plan/typed_expression.h"

namespace headrace::plan {

/// Chooses the types of one call: puts casts around arguments where sides differ, and gives the result's type and nullability
/// in `call`. The arguments are settled already. Invalid with what was found when the types do not fit.
Status SettleCall(TypedExpression* call);

/// Puts a cast around `argument` unless it has the type already; literals are converted at once.
Status CastTo(const std::shared_ptr<arrow::DataType>& type, TypedExpression* argument);

/// How errors name a type: int64, text, timestamp, decimal(23, 3), list of int64.
std::string TypeName(const arrow::DataType& type);

bool IsInteger(const arrow::DataType& type);
bool IsFloat(const arrow::DataType& type);
bool IsDecimal(const arrow::DataType& type);
bool IsNumber(const arrow::DataType& type);
bool IsText(const arrow::DataType& type);

}  // namespace headrace::plan
