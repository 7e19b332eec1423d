#pragma once
#include <optional>

#include "data/expression/program.h"
#include "plan/typed_expression.h"

namespace headrace::data::expression {

/// A kernel that takes one argument and a constant, where the general way takes a kernel a step.
struct ConstantCall {
  const plan::TypedExpression* argument = nullptr;  ///< of the expression it was chosen for
  Instruction instruction;
};

/// For int64 % c, int64 % c == 0 (c > 0) and int64 * decimal literal; nothing for other expressions. None of them can fail.
std::optional<ConstantCall> ChooseConstantKernel(const plan::TypedExpression& call);

}  // namespace headrace::data::expression
