#include "plan/function_types.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "base/nearest_name.h"

namespace headrace::plan {
namespace {

using TypePtr = std::shared_ptr<arrow::DataType>;
using Kind = TypedExpression::Kind;
using Id = arrow::Type;

constexpr std::int32_t kMaxDigits = 38;
constexpr std::int32_t kInt64Digits = 19;
constexpr std::int32_t kLeastDivisionScale = 6;

Status NoFit(const TypedExpression& call, std::string_view wanted) {
  std::string found;
  for (const TypedExpression& argument : call.arguments) found += (found.empty() ? "" : " and ") + TypeName(*argument.type);
  return Status::Invalid(fmt::format("{} takes {}, not {}", EntryOf(call.function).name, wanted, found));
}

bool AnyNullable(const TypedExpression& call) {
  return std::any_of(call.arguments.begin(), call.arguments.end(), [](const TypedExpression& argument) { return argument.nullable; });
}

bool IsTime(const arrow::DataType& type) { return type.id() == Id::TIMESTAMP || type.id() == Id::DATE32; }
bool IsNull(const arrow::DataType& type) { return type.id() == Id::NA; }

std::int32_t Precision(const arrow::DataType& type) { return static_cast<const arrow::DecimalType&>(type).precision(); }
std::int32_t Scale(const arrow::DataType& type) { return static_cast<const arrow::DecimalType&>(type).scale(); }

/// The decimal type that holds every value of `argument`: of a literal as few digits as it has.
TypePtr DecimalFor(const TypedExpression& argument) {
  if (IsDecimal(*argument.type)) return argument.type;
  if (argument.kind == Kind::kLiteral && argument.type->id() == Id::INT64) {
    const auto digits =
        static_cast<std::int32_t>(fmt::format("{}", static_cast<const arrow::Int64Scalar&>(*argument.literal).value).size());
    return arrow::decimal128(std::min(digits, kInt64Digits), 0);
  }
  return arrow::decimal128(kInt64Digits, 0);
}

TypePtr Decimal(std::int32_t precision, std::int32_t scale) {
  // Digits beyond 38 are taken from behind the point, but six stay when there were as many.
  if (precision > kMaxDigits) {
    const std::int32_t whole = precision - scale;
    scale = std::max(kMaxDigits - whole, std::min(scale, kLeastDivisionScale));
    precision = kMaxDigits;
  }
  return arrow::decimal128(precision, scale);
}

TypePtr CommonDecimal(const arrow::DataType& a, const arrow::DataType& b) {
  const std::int32_t scale = std::max(Scale(a), Scale(b));
  const std::int32_t whole = std::max(Precision(a) - Scale(a), Precision(b) - Scale(b));
  return Decimal(whole + scale, scale);
}

/// The type both sides are compared and combined in; null when there is none.
TypePtr CommonType(const TypedExpression& a, const TypedExpression& b) {
  const arrow::DataType &left = *a.type, &right = *b.type;
  if (IsNull(left)) return b.type;
  if (IsNull(right) || left.Equals(right)) return a.type;
  if (IsNumber(left) && IsNumber(right)) {
    if (IsFloat(left) || IsFloat(right)) return arrow::float64();
    if (IsDecimal(left) || IsDecimal(right)) return CommonDecimal(*DecimalFor(a), *DecimalFor(b));
    return arrow::int64();
  }
  if (left.id() == Id::TIMESTAMP && right.id() == Id::TIMESTAMP) {
    const auto &one = static_cast<const arrow::TimestampType&>(left), &other = static_cast<const arrow::TimestampType&>(right);
    if (one.timezone().empty() != other.timezone().empty()) return nullptr;
    return one.unit() > other.unit() ? a.type : b.type;
  }
  if (left.id() == Id::DURATION && right.id() == Id::DURATION)
    return static_cast<const arrow::DurationType&>(left).unit() > static_cast<const arrow::DurationType&>(right).unit() ? a.type : b.type;
  if (IsTime(left) && IsTime(right)) return left.id() == Id::TIMESTAMP ? a.type : b.type;
  return nullptr;
}

Status Unify(TypedExpression* call, std::size_t first, std::size_t step, std::string_view wanted, TypePtr* common) {
  TypedExpression widest = call->arguments[first];
  for (std::size_t i = first; i < call->arguments.size(); i += step) {
    TypePtr type = CommonType(widest, call->arguments[i]);
    if (type == nullptr) return NoFit(*call, wanted);
    if (!type->Equals(*widest.type)) widest.kind = Kind::kColumn;
    widest.type = std::move(type);
  }
  for (std::size_t i = first; i < call->arguments.size(); i += step) HR_RETURN_NOT_OK(CastTo(widest.type, &call->arguments[i]));
  *common = widest.type;
  return Status::OK();
}

Status Expect(TypedExpression* call, std::size_t index, const TypePtr& type, std::string_view wanted) {
  if (index >= call->arguments.size()) return Status::OK();
  TypedExpression& argument = call->arguments[index];
  if (argument.type->Equals(*type)) return Status::OK();
  const bool fits = IsNull(*argument.type) || (IsInteger(*argument.type) && type->id() == Id::INT64) ||
                    (IsNumber(*argument.type) && type->id() == Id::DOUBLE);
  return fits ? CastTo(type, &argument) : NoFit(*call, wanted);
}

Status ExpectLiteral(const TypedExpression& call, std::size_t index, std::string_view what) {
  if (index < call.arguments.size() && call.arguments[index].kind != Kind::kLiteral)
    return Status::Invalid(fmt::format("{} takes its {} as a literal, the same for all rows", EntryOf(call.function).name, what));
  return Status::OK();
}

Status Plus(TypedExpression* call) {
  auto& arguments = call->arguments;
  const bool subtract = call->function == Function::kSubtract;
  if (!subtract && arguments[0].type->id() == Id::DURATION && arguments[1].type->id() == Id::TIMESTAMP)
    std::swap(arguments[0], arguments[1]);
  const arrow::DataType &left = *arguments[0].type, &right = *arguments[1].type;
  if (left.id() == Id::TIMESTAMP && right.id() == Id::DURATION) {
    const auto unit =
        std::max(static_cast<const arrow::TimestampType&>(left).unit(), static_cast<const arrow::DurationType&>(right).unit());
    call->type = arrow::timestamp(unit, static_cast<const arrow::TimestampType&>(left).timezone());
    HR_RETURN_NOT_OK(CastTo(call->type, &arguments[0]));
    return CastTo(arrow::duration(unit), &arguments[1]);
  }
  if (subtract && IsTime(left) && IsTime(right)) {
    TypePtr common;
    HR_RETURN_NOT_OK(Unify(call, 0, 1, "two times of one kind", &common));
    if (common->id() == Id::DATE32) return NoFit(*call, "numbers, durations, or timestamps");
    call->type = arrow::duration(static_cast<const arrow::TimestampType&>(*common).unit());
    return Status::OK();
  }
  if (left.id() == Id::DURATION && right.id() == Id::DURATION) return Unify(call, 0, 1, "durations", &call->type);
  return Status::TypeError("");
}

Status Arithmetic(TypedExpression* call) {
  auto& arguments = call->arguments;
  const Function function = call->function;
  if (function == Function::kAdd || function == Function::kSubtract) {
    const Status time = Plus(call);
    if (!time.IsTypeError()) return time;
  }
  for (const TypedExpression& argument : arguments)
    if (!IsNumber(*argument.type) && !IsNull(*argument.type)) return NoFit(*call, "numbers");
  const bool floats = std::any_of(arguments.begin(), arguments.end(), [](const auto& a) { return IsFloat(*a.type); });
  const bool decimals = std::any_of(arguments.begin(), arguments.end(), [](const auto& a) { return IsDecimal(*a.type); });
  if (!floats && decimals) {
    const TypePtr left = DecimalFor(arguments[0]), right = DecimalFor(arguments[1]);
    const std::int32_t p1 = Precision(*left), s1 = Scale(*left), p2 = Precision(*right), s2 = Scale(*right);
    HR_RETURN_NOT_OK(CastTo(left, &arguments[0]));
    HR_RETURN_NOT_OK(CastTo(right, &arguments[1]));
    const std::int32_t scale = std::max(s1, s2), whole = std::max(p1 - s1, p2 - s2);
    if (function == Function::kMultiply)
      call->type = Decimal(p1 + p2, s1 + s2);
    else if (function == Function::kDivide)
      call->type = Decimal(p1 - s1 + s2 + std::max(kLeastDivisionScale, s1 + p2 + 1), std::max(kLeastDivisionScale, s1 + p2 + 1));
    else
      call->type = Decimal(whole + scale + 1, scale);
    return Status::OK();
  }
  call->type = floats || function == Function::kDivide ? arrow::float64() : arrow::int64();
  for (TypedExpression& argument : arguments) HR_RETURN_NOT_OK(CastTo(call->type, &argument));
  return Status::OK();
}

Status OneNumber(TypedExpression* call) {
  TypedExpression& argument = call->arguments[0];
  const bool duration = argument.type->id() == Id::DURATION && (call->function == Function::kNegate || call->function == Function::kAbs);
  if (!IsNumber(*argument.type) && !duration) return NoFit(*call, "a number");
  if (IsInteger(*argument.type)) HR_RETURN_NOT_OK(CastTo(arrow::int64(), &argument));
  if (IsFloat(*argument.type)) HR_RETURN_NOT_OK(CastTo(arrow::float64(), &argument));
  call->type = argument.type;
  // 99.9 becomes 100.0, which has a digit more.
  const bool rounds = call->function == Function::kRound || call->function == Function::kFloor || call->function == Function::kCeil;
  if (rounds && IsDecimal(*argument.type))
    call->type = arrow::decimal128(std::min(kMaxDigits, Precision(*argument.type) + 1), Scale(*argument.type));
  if (call->arguments.size() > 1) HR_RETURN_NOT_OK(Expect(call, 1, arrow::int64(), "a number, and the number of digits as an int"));
  return ExpectLiteral(*call, 1, "number of digits");
}

Status Floats(TypedExpression* call) {
  for (std::size_t i = 0; i < call->arguments.size(); ++i) {
    if (!IsNumber(*call->arguments[i].type)) return NoFit(*call, "numbers");
    HR_RETURN_NOT_OK(CastTo(arrow::float64(), &call->arguments[i]));
  }
  call->type = arrow::float64();
  return Status::OK();
}

Status Comparison(TypedExpression* call) {
  TypePtr common;
  call->type = arrow::boolean();
  HR_RETURN_NOT_OK(Unify(call, 0, 1, "values of one type", &common));
  if (common->id() == Id::LIST || common->id() == Id::STRUCT) return NoFit(*call, "numbers, text, bools, binary and times");
  if (call->function == Function::kIsIn)
    for (std::size_t i = 1; i < call->arguments.size(); ++i) HR_RETURN_NOT_OK(ExpectLiteral(*call, i, "values"));
  return Status::OK();
}

Status Booleans(TypedExpression* call) {
  for (std::size_t i = 0; i < call->arguments.size(); ++i) HR_RETURN_NOT_OK(Expect(call, i, arrow::boolean(), "conditions (bool)"));
  call->type = arrow::boolean();
  return Status::OK();
}

/// kIf and kCase: conditions at 0, 2, …, values between them, the last one for "else".
Status Choice(TypedExpression* call) {
  auto& arguments = call->arguments;
  if (arguments.size() % 2 == 0) return Status::Invalid("case takes pairs of condition and value, and one value for all other rows");
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2)
    if (arguments[i].type->id() != Id::BOOL && !IsNull(*arguments[i].type))
      return Status::Invalid("a condition is a bool, not ", TypeName(*arguments[i].type));
  TypedExpression widest = arguments.back();
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    TypePtr type = CommonType(widest, arguments[i]);
    if (type == nullptr)
      return Status::Invalid("the values of a choice have one type, not ", TypeName(*widest.type), " and ", TypeName(*arguments[i].type));
    if (!type->Equals(*widest.type)) widest.kind = Kind::kColumn;
    widest.type = std::move(type);
  }
  call->nullable = arguments.back().nullable;
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    HR_RETURN_NOT_OK(CastTo(widest.type, &arguments[i]));
    call->nullable = call->nullable || arguments[i].nullable;
  }
  HR_RETURN_NOT_OK(CastTo(widest.type, &arguments.back()));
  call->type = widest.type;
  return Status::OK();
}

/// The literals of like and regexp_*: there, compiling, with the group that is asked for.
Status CheckPattern(const TypedExpression& call) {
  const auto& arguments = call.arguments;
  const std::string_view name = EntryOf(call.function).name;
  for (std::size_t i = 1; i < arguments.size(); ++i)
    if (!arguments[i].literal->is_valid) return Status::Invalid(name, " takes a pattern, not null");
  if (call.function == Function::kLike) return Status::OK();
  const std::string pattern = arguments[1].literal->ToString();
  const re2::RE2 compiled(pattern, re2::RE2::Quiet);
  if (!compiled.ok())
    return Status::Invalid(fmt::format("{}: \"{:.100}\" is no regular expression (RE2): {}", name, pattern, compiled.error()));
  const int groups = compiled.NumberOfCapturingGroups();
  if (call.function == Function::kRegexpExtract && arguments.size() > 2) {
    const std::int64_t group = static_cast<const arrow::Int64Scalar&>(*arguments[2].literal).value;
    if (group < 0 || group > groups)
      return Status::Invalid(fmt::format("{}: \"{:.100}\" has {} groups, so there is no group {}", name, pattern, groups, group));
  }
  std::string error;
  if (call.function == Function::kRegexpReplace && !compiled.CheckRewriteString(arguments[2].literal->ToString(), &error))
    return Status::Invalid(fmt::format("{}: {}", name, error));
  return Status::OK();
}

Status Text(TypedExpression* call) {
  const Function function = call->function;
  const bool length = function == Function::kLength;
  if (length && call->arguments[0].type->id() == Id::BINARY) {
    call->type = arrow::int64();
    return Status::OK();
  }
  std::size_t texts = call->arguments.size();
  if (function == Function::kSubstring) texts = 1;
  if (function == Function::kSplitPart || function == Function::kRegexpExtract) texts = 2;
  for (std::size_t i = 0; i < call->arguments.size(); ++i) {
    if (i < texts)
      HR_RETURN_NOT_OK(Expect(call, i, arrow::utf8(), "text"));
    else
      HR_RETURN_NOT_OK(Expect(call, i, arrow::int64(), "text and then numbers"));
  }
  const bool pattern = function == Function::kLike || function == Function::kRegexpMatches || function == Function::kRegexpExtract ||
                       function == Function::kRegexpReplace;
  if (pattern) {
    HR_RETURN_NOT_OK(ExpectLiteral(*call, 1, "pattern"));
    HR_RETURN_NOT_OK(ExpectLiteral(*call, 2, function == Function::kRegexpExtract ? "group" : "replacement"));
  }
  if (pattern) HR_RETURN_NOT_OK(CheckPattern(*call));
  switch (function) {
    case Function::kLength:
      call->type = arrow::int64();
      break;
    case Function::kStartsWith:
    case Function::kEndsWith:
    case Function::kContains:
    case Function::kLike:
    case Function::kRegexpMatches:
      call->type = arrow::boolean();
      break;
    default:
      call->type = arrow::utf8();
  }
  if (function == Function::kSplitPart || function == Function::kRegexpExtract) call->nullable = true;
  return Status::OK();
}

Status Times(TypedExpression* call) {
  auto& arguments = call->arguments;
  const Function function = call->function;
  if (function == Function::kTruncate) {
    HR_RETURN_NOT_OK(Expect(call, 0, arrow::utf8(), "a unit and a time"));
    HR_RETURN_NOT_OK(ExpectLiteral(*call, 0, "unit"));
    static const std::vector<std::string_view> units = {"second", "minute", "hour", "day", "week", "month", "year"};
    const std::string unit = arguments[0].literal->ToString();
    if (std::find(units.begin(), units.end(), unit) == units.end())
      return Status::Invalid(
          fmt::format("truncate has no unit \"{:.40}\"{}; it has {}", unit, DidYouMean(unit, units), fmt::join(units, ", ")));
    if (!IsTime(*arguments[1].type)) return NoFit(*call, "a unit and a date or timestamp");
    call->type = arguments[1].type;
    return Status::OK();
  }
  if (function == Function::kParseTime) {
    HR_RETURN_NOT_OK(Expect(call, 0, arrow::utf8(), "text and a format"));
    HR_RETURN_NOT_OK(Expect(call, 1, arrow::utf8(), "text and a format"));
    call->type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    return ExpectLiteral(*call, 1, "format");
  }
  if (function == Function::kFromEpochMs) {
    HR_RETURN_NOT_OK(Expect(call, 0, arrow::int64(), "milliseconds as an int"));
    call->type = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
    return Status::OK();
  }
  if (!IsTime(*arguments[0].type)) return NoFit(*call, "a date or timestamp");
  call->type = arrow::int64();
  if (function == Function::kDate) call->type = arrow::date32();
  if (function == Function::kFormatTime) {
    HR_RETURN_NOT_OK(Expect(call, 1, arrow::utf8(), "a time and a format"));
    HR_RETURN_NOT_OK(ExpectLiteral(*call, 1, "format"));
    call->type = arrow::utf8();
  }
  return Status::OK();
}

Status Nested(TypedExpression* call) {
  auto& arguments = call->arguments;
  const arrow::DataType& outer = *arguments[0].type;
  if (call->function == Function::kField) {
    if (outer.id() != Id::STRUCT) return NoFit(*call, "a struct and the name of a field");
    HR_RETURN_NOT_OK(ExpectLiteral(*call, 1, "name"));
    const std::string name = arguments[1].literal->ToString();
    const auto field = static_cast<const arrow::StructType&>(outer).GetFieldByName(name);
    std::vector<std::string_view> names;
    for (const auto& known : outer.fields()) names.push_back(known->name());
    if (field == nullptr)
      return Status::Invalid(
          fmt::format("the struct has no field \"{:.100}\"{}; it has {}", name, DidYouMean(name, names), fmt::join(names, ", ")));
    call->type = field->type();
    call->nullable = arguments[0].nullable || field->nullable();
    return Status::OK();
  }
  if (call->function == Function::kStruct) {
    if (arguments.size() % 2 != 0) return Status::Invalid("struct takes pairs of name and value");
    arrow::FieldVector fields;
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
      HR_RETURN_NOT_OK(ExpectLiteral(*call, i, "names"));
      if (IsNull(*arguments[i + 1].type)) HR_RETURN_NOT_OK(CastTo(arrow::int64(), &arguments[i + 1]));
      fields.push_back(arrow::field(arguments[i].literal->ToString(), arguments[i + 1].type, arguments[i + 1].nullable));
    }
    call->type = arrow::struct_(std::move(fields));
    call->nullable = false;
    return Status::OK();
  }
  if (outer.id() != Id::LIST) return NoFit(*call, "a list");
  const TypePtr item = static_cast<const arrow::ListType&>(outer).value_type();
  if (call->function == Function::kListLength) {
    call->type = arrow::int64();
  } else if (call->function == Function::kElement) {
    HR_RETURN_NOT_OK(Expect(call, 1, arrow::int64(), "a list and a position"));
    call->type = item;
    call->nullable = true;
  } else {
    HR_RETURN_NOT_OK(CastTo(item, &arguments[1]));
    call->type = arrow::boolean();
  }
  return Status::OK();
}

Status Nulls(TypedExpression* call) {
  if (call->function == Function::kIsNull || call->function == Function::kIsNotNull) {
    call->type = arrow::boolean();
    call->nullable = false;
    return Status::OK();
  }
  if (call->function == Function::kTry) {
    call->type = call->arguments[0].type;
    call->nullable = true;
    return Status::OK();
  }
  HR_RETURN_NOT_OK(Unify(call, 0, 1, "values of one type", &call->type));
  call->nullable = call->function == Function::kNullIf ||
                   std::all_of(call->arguments.begin(), call->arguments.end(), [](const auto& a) { return a.nullable; });
  return Status::OK();
}

}  // namespace

bool IsInteger(const arrow::DataType& type) { return type.id() >= Id::UINT8 && type.id() <= Id::INT64; }
bool IsFloat(const arrow::DataType& type) { return type.id() == Id::FLOAT || type.id() == Id::DOUBLE; }
bool IsDecimal(const arrow::DataType& type) { return type.id() == Id::DECIMAL128; }
bool IsNumber(const arrow::DataType& type) { return IsInteger(type) || IsFloat(type) || IsDecimal(type); }
bool IsText(const arrow::DataType& type) { return type.id() == Id::STRING; }

std::string TypeName(const arrow::DataType& type) {
  switch (type.id()) {
    case Id::STRING:
      return "text";
    case Id::NA:
      return "null";
    case Id::DOUBLE:
      return "float64";
    case Id::FLOAT:
      return "float32";
    case Id::DATE32:
      return "date";
    case Id::DECIMAL128:
      return fmt::format("decimal({}, {})", Precision(type), Scale(type));
    case Id::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "timestamp without zone" : "timestamp";
    case Id::LIST:
      return "list of " + TypeName(*static_cast<const arrow::ListType&>(type).value_type());
    default:
      return type.ToString();
  }
}

Status CastTo(const TypePtr& type, TypedExpression* argument) {
  if (argument->type->Equals(*type)) return Status::OK();
  if (argument->kind == Kind::kLiteral) {
    if (IsNull(*argument->type)) {
      argument->literal = arrow::MakeNullScalar(type);
      argument->type = type;
      return Status::OK();
    }
    auto converted = argument->literal->CastTo(type);
    if (converted.ok()) {
      argument->literal = *converted;
      argument->type = type;
      return Status::OK();
    }
  }
  const arrow::DataType &from = *argument->type, &to = *type;
  const bool to_text = IsText(to) && from.id() != Id::LIST && from.id() != Id::STRUCT;
  const bool from_text = IsText(from) && to.id() != Id::LIST && to.id() != Id::STRUCT;
  const bool numbers = (IsNumber(from) || from.id() == Id::BOOL) && (IsNumber(to) || to.id() == Id::BOOL);
  const bool times = (IsTime(from) && IsTime(to)) || (from.id() == Id::DURATION && to.id() == Id::DURATION) ||
                     (from.id() == Id::TIMESTAMP && to.id() == Id::INT64) || (from.id() == Id::INT64 && to.id() == Id::TIMESTAMP);
  if (!to_text && !from_text && !numbers && !times && !IsNull(from))
    return Status::Invalid(TypeName(from), " cannot become ", TypeName(to));
  TypedExpression inner = std::move(*argument);
  *argument = {};
  argument->kind = Kind::kCast;
  argument->type = type;
  argument->nullable = inner.nullable;
  argument->text = inner.text;
  argument->arguments.push_back(std::move(inner));
  return Status::OK();
}

Status SettleCall(TypedExpression* call) {
  call->nullable = AnyNullable(*call);
  const Function function = call->function;
  if (function <= Function::kMultiply || function == Function::kDivide || function == Function::kFloorDivide ||
      function == Function::kModulo)
    return Arithmetic(call);
  if (function == Function::kPower || function == Function::kSqrt || function == Function::kExp || function == Function::kLn)
    return Floats(call);
  if (function <= Function::kCeil) return OneNumber(call);
  if (function == Function::kLeast || function == Function::kGreatest) return Nulls(call);
  if (function <= Function::kBetween) return Comparison(call);
  if (function <= Function::kNot) return Booleans(call);
  if (function <= Function::kTry) return Nulls(call);
  if (function <= Function::kCase) return Choice(call);
  if (function <= Function::kRegexpReplace) return Text(call);
  if (function <= Function::kFromEpochMs) return Times(call);
  if (function <= Function::kStruct) return Nested(call);
  call->type = arrow::int64();
  call->nullable = false;
  return Status::OK();
}

}  // namespace headrace::plan
