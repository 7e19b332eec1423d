#include "plan/typed_expression.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <utility>

#include "base/nearest_name.h"
#include "columnar/decimal_text.h"
#include "columnar/value_encoding.h"
#include "plan/function_types.h"

namespace headrace::plan {
namespace {

constexpr int kMaxDepth = 200;

using columnar::ValueTag;

Result<std::shared_ptr<arrow::Scalar>> DecimalScalar(const std::string& text) {
  arrow::Decimal128 value;
  std::int32_t precision = 0, scale = 0;
  if (!columnar::ParseDecimal(text, &value, &precision, &scale) || precision > 38 || scale > 38)
    return Status::Invalid("the decimal ", text.substr(0, 60), " has more than 38 digits, or is none");
  HR_ASSIGN_OR_RAISE(auto type, arrow::Decimal128Type::Make(std::max({precision, scale, 1}), scale));
  return std::make_shared<arrow::Decimal128Scalar>(value, type);
}

Result<std::shared_ptr<arrow::Scalar>> ScalarOf(const columnar::Value& value) {
  switch (value.tag) {
    case ValueTag::kNone:
      return std::make_shared<arrow::NullScalar>();
    case ValueTag::kFalse:
    case ValueTag::kTrue:
      return std::make_shared<arrow::BooleanScalar>(value.tag == ValueTag::kTrue);
    case ValueTag::kInt:
      return std::make_shared<arrow::Int64Scalar>(value.integer);
    case ValueTag::kFloat:
      return std::make_shared<arrow::DoubleScalar>(value.real);
    case ValueTag::kString:
      return std::make_shared<arrow::StringScalar>(value.text);
    case ValueTag::kBytes:
      return std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(value.text));
    case ValueTag::kDecimal:
      return DecimalScalar(value.text);
    case ValueTag::kAwareDatetime:
      return std::make_shared<arrow::TimestampScalar>(value.integer, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
    case ValueTag::kNaiveDatetime:
      return std::make_shared<arrow::TimestampScalar>(value.integer, arrow::timestamp(arrow::TimeUnit::MICRO));
    case ValueTag::kDate:
      return std::make_shared<arrow::Date32Scalar>(static_cast<std::int32_t>(value.integer));
    case ValueTag::kTime:
      return std::make_shared<arrow::Time64Scalar>(value.integer, arrow::time64(arrow::TimeUnit::MICRO));
    case ValueTag::kTimedelta:
      return std::make_shared<arrow::DurationScalar>(value.integer, arrow::duration(arrow::TimeUnit::MICRO));
    case ValueTag::kBigInt:
      return Status::Invalid("the number ", value.text.substr(0, 60), " is beyond int64");
    default:
      return Status::Invalid("a literal is None, bool, int, float, str, bytes, Decimal, date, time, datetime or timedelta");
  }
}

Result<TypedExpression> SettleColumn(const Expression& expression, const arrow::Schema& schema) {
  TypedExpression column;
  column.kind = TypedExpression::Kind::kColumn;
  column.column = schema.GetFieldIndex(expression.name);
  if (column.column < 0) {
    std::vector<std::string_view> names;
    std::string shown;
    for (const auto& field : schema.fields()) {
      names.push_back(field->name());
      if (names.size() <= 20) shown += (shown.empty() ? "" : ", ") + field->name();
    }
    return Status::Invalid(
        fmt::format("there is no column \"{:.100}\"{}; the rows have {}", expression.name, DidYouMean(expression.name, names), shown));
  }
  const auto& field = schema.field(column.column);
  column.type = field->type();
  column.nullable = field->nullable();
  return column;
}

Result<TypedExpression> SettleLiteral(const Expression& expression) {
  HR_ASSIGN_OR_RAISE(const columnar::Value value, columnar::DecodeValue(expression.literal));
  TypedExpression literal;
  HR_ASSIGN_OR_RAISE(literal.literal, ScalarOf(value));
  literal.type = literal.literal->type;
  literal.nullable = value.tag == ValueTag::kNone;
  return literal;
}

void MarkOrNull(TypedExpression* expression) {
  expression->or_null = true;
  if (expression->kind == TypedExpression::Kind::kCall || expression->kind == TypedExpression::Kind::kCast) expression->nullable = true;
  for (TypedExpression& argument : expression->arguments) MarkOrNull(&argument);
}

Result<TypedExpression> SettleNode(const Expression& expression, const arrow::Schema& schema, int depth);

Result<TypedExpression> SettleCallNode(const Expression& expression, const arrow::Schema& schema, int depth) {
  const FunctionEntry* entry = FindFunction(expression.name);
  if (entry == nullptr) {
    std::vector<std::string_view> names;
    for (const FunctionEntry& known : Functions()) names.push_back(known.name);
    return Status::Invalid(fmt::format("there is no function \"{:.100}\"{}", expression.name, DidYouMean(expression.name, names)));
  }
  const auto given = static_cast<int>(expression.arguments.size());
  if (given < entry->least_arguments || (entry->most_arguments >= 0 && given > entry->most_arguments)) {
    const std::string takes = entry->most_arguments < 0 ? fmt::format("{} or more", entry->least_arguments)
                              : entry->most_arguments == entry->least_arguments
                                  ? std::to_string(entry->least_arguments)
                                  : fmt::format("{} to {}", entry->least_arguments, entry->most_arguments);
    return Status::Invalid(fmt::format("{} takes {} arguments, not {}", entry->name, takes, given));
  }
  TypedExpression call;
  call.kind = TypedExpression::Kind::kCall;
  call.function = entry->function;
  for (const Expression& argument : expression.arguments) {
    HR_ASSIGN_OR_RAISE(TypedExpression settled, SettleNode(argument, schema, depth + 1));
    call.arguments.push_back(std::move(settled));
  }
  const Status status = SettleCall(&call);
  if (!status.ok()) return Status::Invalid("in ", expression.ToString(), ": ", status.message());
  if (call.function == Function::kTry) {
    TypedExpression inner = std::move(call.arguments[0]);
    MarkOrNull(&inner);
    return inner;
  }
  return call;
}

Result<TypedExpression> SettleNode(const Expression& expression, const arrow::Schema& schema, int depth) {
  if (depth > kMaxDepth) return Status::Invalid("the expression is nested more than ", kMaxDepth, " deep");
  TypedExpression settled;
  switch (expression.kind) {
    case Expression::Kind::kColumn: {
      HR_ASSIGN_OR_RAISE(settled, SettleColumn(expression, schema));
      break;
    }
    case Expression::Kind::kLiteral: {
      HR_ASSIGN_OR_RAISE(settled, SettleLiteral(expression));
      break;
    }
    case Expression::Kind::kCall: {
      HR_ASSIGN_OR_RAISE(settled, SettleCallNode(expression, schema, depth));
      break;
    }
    case Expression::Kind::kCast: {
      HR_ASSIGN_OR_RAISE(settled, SettleNode(expression.arguments[0], schema, depth + 1));
      const Status status = CastTo(expression.type, &settled);
      if (!status.ok()) return Status::Invalid("in ", expression.ToString(), ": ", status.message());
      settled.or_null = settled.or_null || expression.or_null;
      settled.nullable = settled.nullable || expression.or_null;
      break;
    }
    case Expression::Kind::kUser: {
      if (expression.arguments.empty()) return Status::Invalid(expression.name, " is called without a column");
      settled.kind = TypedExpression::Kind::kUser;
      settled.type = expression.type;
      for (const Expression& argument : expression.arguments) {
        HR_ASSIGN_OR_RAISE(TypedExpression inner, SettleNode(argument, schema, depth + 1));
        settled.arguments.push_back(std::move(inner));
      }
      break;
    }
    case Expression::Kind::kNone:
      return Status::Invalid("an expression is missing");
  }
  if (settled.text.empty()) settled.text = expression.ToString();
  return settled;
}

}  // namespace

Result<TypedExpression> Settle(const Expression& expression, const arrow::Schema& schema) { return SettleNode(expression, schema, 0); }

}  // namespace headrace::plan
