#pragma once
#include <arrow/type_fwd.h>

#include "base/status.h"
#include "data/expression/program.h"
#include "plan/typed_expression.h"

namespace headrace::data::expression {

using Kernel = void (*)(const Instruction&, Frame&);

/// The kernel of a call whose arguments are in registers, with the numbers it needs in `instruction`. NotImplemented for
/// functions without one.
Status ChooseKernel(const plan::TypedExpression& call, Instruction* instruction);
/// The kernel of a cast.
Status ChooseCast(const arrow::DataType& from, const arrow::DataType& to, Instruction* instruction);

Kernel ArithmeticKernel(plan::Function function, Physical physical);
Kernel ComparisonKernel(plan::Function function, Physical physical);
Kernel LogicKernel(plan::Function function);
Kernel ChoiceKernel(plan::Function function, Physical physical);
/// Kernels whose literal arguments are compiled once: like, regexp_*, format_time, parse_time.
Status ChoosePatternKernel(const plan::TypedExpression& call, Instruction* instruction);
/// Casts from and to text.
Status ChooseTextCast(const arrow::DataType& from, const arrow::DataType& to, Instruction* instruction);
/// Ticks a day of a date, timestamp or duration type.
std::int64_t TicksPerDay(const arrow::DataType& type);
Kernel TextKernel(plan::Function function);
Kernel TimeKernel(plan::Function function);

/// 10^digits, digits 0 to 38.
Int128 PowerOfTen(std::int64_t digits);

/// Sets the flaws of `out` to those of its inputs, greatest first. Gives out's flaws, or null when no input has any.
std::uint8_t* CombineFlaws(const Instruction& instruction, Frame& frame);
/// The flaws of `out`, all kNone when none had been set: for kernels that found an error.
std::uint8_t* EnsureFlaws(const Instruction& instruction, Frame& frame);

}  // namespace headrace::data::expression
