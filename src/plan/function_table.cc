#include "plan/function_table.h"

#include <algorithm>

namespace headrace::plan {

const std::vector<FunctionEntry>& Functions() {
  using F = Function;
  static const std::vector<FunctionEntry> entries = {
      {F::kAdd, "add", "+", 2, 2, "Sum of numbers; a timestamp and a duration give a timestamp."},
      {F::kSubtract, "subtract", "-", 2, 2, "Difference; of two timestamps a duration."},
      {F::kMultiply, "multiply", "*", 2, 2, "Product."},
      {F::kDivide, "divide", "/", 2, 2, "Quotient: a float64, or a decimal of decimals."},
      {F::kFloorDivide, "floor_divide", "//", 2, 2, "Quotient rounded down, as in Python."},
      {F::kModulo, "modulo", "%", 2, 2, "Remainder with the sign of the divisor, as in Python."},
      {F::kNegate, "negate", "", 1, 1, "The number with the other sign."},
      {F::kAbs, "abs", "", 1, 1, "The number without its sign."},
      {F::kRound, "round", "", 1, 2, "Rounded to a number of digits (0), half to even."},
      {F::kFloor, "floor", "", 1, 1, "The greatest whole number that is not greater."},
      {F::kCeil, "ceil", "", 1, 1, "The least whole number that is not less."},
      {F::kPower, "power", "**", 2, 2, "The first number to the power of the second, a float64."},
      {F::kSqrt, "sqrt", "", 1, 1, "Square root; NaN of negative numbers."},
      {F::kExp, "exp", "", 1, 1, "e to the power of the number."},
      {F::kLn, "ln", "", 1, 1, "Natural logarithm; -inf of 0, NaN of negative numbers."},
      {F::kEqual, "equal", "==", 2, 2, "Whether both are equal."},
      {F::kNotEqual, "not_equal", "!=", 2, 2, "Whether they differ."},
      {F::kLess, "less", "<", 2, 2, "Whether the first is less; text by its bytes in UTF-8."},
      {F::kLessEqual, "less_equal", "<=", 2, 2, "Whether the first is less or equal."},
      {F::kGreater, "greater", ">", 2, 2, "Whether the first is greater."},
      {F::kGreaterEqual, "greater_equal", ">=", 2, 2, "Whether the first is greater or equal."},
      {F::kIsIn, "is_in", "", 2, -1, "Whether the first equals one of the others, which are literals."},
      {F::kBetween, "between", "", 3, 3, "Whether the first is at least the second and at most the third."},
      {F::kLeast, "least", "", 1, -1, "The least of the values that are not null."},
      {F::kGreatest, "greatest", "", 1, -1, "The greatest of the values that are not null."},
      {F::kAnd, "and", "&", 2, -1, "True when all are; false when one is, null or not."},
      {F::kOr, "or", "|", 2, -1, "True when one is, null or not; false when all are."},
      {F::kNot, "not", "", 1, 1, "The opposite."},
      {F::kIsNull, "is_null", "", 1, 1, "Whether the value is null."},
      {F::kIsNotNull, "is_not_null", "", 1, 1, "Whether the value is there."},
      {F::kCoalesce, "coalesce", "", 1, -1, "The first value that is not null."},
      {F::kNullIf, "null_if", "", 2, 2, "Null when both are equal, else the first."},
      {F::kTry, "try", "", 1, 1, "The value, or null where computing it would fail."},
      {F::kIf, "if", "", 3, 3, "The second when the first is true, else the third."},
      {F::kCase, "case", "", 3, -1, "Pairs of condition and value, and at the end the value when no condition is true."},
      {F::kLower, "lower", "", 1, 1, "Text in lower case."},
      {F::kUpper, "upper", "", 1, 1, "Text in upper case."},
      {F::kLength, "length", "", 1, 1, "Characters of text, bytes of binary."},
      {F::kConcat, "concat", "", 1, -1, "The texts one after the other."},
      {F::kSubstring, "substring", "", 2, 3, "Characters from a position, 0 first, negative from the end; at most a number of them."},
      {F::kTrim, "trim", "", 1, 1, "Without white space at both ends."},
      {F::kStartsWith, "starts_with", "", 2, 2, "Whether text begins with another."},
      {F::kEndsWith, "ends_with", "", 2, 2, "Whether text ends with another."},
      {F::kContains, "contains", "", 2, 2, "Whether text holds another."},
      {F::kReplace, "replace", "", 3, 3, "Every occurrence of the second replaced by the third."},
      {F::kSplitPart, "split_part", "", 3, 3, "The part of a number, 0 first, of text split at a separator; null when there is none."},
      {F::kLike, "like", "", 2, 2, "Whether text fits a SQL pattern: % any characters, _ one."},
      {F::kRegexpMatches, "regexp_matches", "", 2, 2, "Whether a regular expression (RE2) is found in text."},
      {F::kRegexpExtract, "regexp_extract", "", 2, 3, "What a group of a regular expression matched first; null when nothing did."},
      {F::kRegexpReplace, "regexp_replace", "", 3, 3, "Every match of a regular expression replaced; \\1 is its first group."},
      {F::kYear, "year", "", 1, 1, "Year of a date or timestamp."},
      {F::kMonth, "month", "", 1, 1, "Month, 1 to 12."},
      {F::kDay, "day", "", 1, 1, "Day of the month, 1 to 31."},
      {F::kHour, "hour", "", 1, 1, "Hour, 0 to 23, UTC."},
      {F::kMinute, "minute", "", 1, 1, "Minute, 0 to 59."},
      {F::kSecond, "second", "", 1, 1, "Second, 0 to 59."},
      {F::kDayOfWeek, "day_of_week", "", 1, 1, "Day of the week, 1 Monday to 7 Sunday."},
      {F::kDate, "date", "", 1, 1, "The date of a timestamp, UTC."},
      {F::kTruncate, "truncate", "", 2, 2, "A timestamp cut to a unit: second, minute, hour, day, week, month, year."},
      {F::kFormatTime, "format_time", "", 2, 2, "A date or timestamp as text, by a strftime format."},
      {F::kParseTime, "parse_time", "", 2, 2, "Text as a timestamp, by a strptime format."},
      {F::kEpochMs, "epoch_ms", "", 1, 1, "Milliseconds since 1970 UTC."},
      {F::kFromEpochMs, "from_epoch_ms", "", 1, 1, "A timestamp from milliseconds since 1970 UTC."},
      {F::kField, "field", "", 2, 2, "A field of a struct."},
      {F::kElement, "element", "", 2, 2, "An element of a list, 0 first, negative from the end; null when there is none."},
      {F::kListLength, "list_length", "", 1, 1, "Elements of a list."},
      {F::kListContains, "list_contains", "", 2, 2, "Whether a list holds a value."},
      {F::kStruct, "struct", "", 2, -1, "A struct of pairs of name and value."},
      {F::kHash, "hash", "", 1, -1, "A 64-bit hash, the same on every machine."},
  };
  return entries;
}

const FunctionEntry* FindFunction(std::string_view name) {
  const auto& all = Functions();
  const auto found = std::find_if(all.begin(), all.end(), [&](const FunctionEntry& entry) { return entry.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace headrace::plan
