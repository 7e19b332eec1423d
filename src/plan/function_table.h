#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace headrace::plan {

/// Functions of expressions. The comments give argument kinds; num = int64 or float64 (smaller ints and float32 are widened),
/// dec = decimal, any = one type on all sides. Null in gives null out unless said otherwise.
enum class Function : std::uint16_t {
  // Arithmetic: num num, dec dec, timestamp ± duration, timestamp - timestamp. int64 overflow and division of ints by zero fail
  // the job, or are null below try_(); floats follow IEEE 754. `divide` of ints is a float64, floor_divide and modulo follow Python.
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kNegate,
  kAbs,
  kRound,
  kFloor,
  kCeil,
  kPower,
  kSqrt,
  kExp,
  kLn,
  // Comparison: any any -> bool; NaN equals itself and is greater than every number.
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIsIn,
  kBetween,
  kLeast,
  kGreatest,
  // Boolean, three-valued.
  kAnd,
  kOr,
  kNot,
  // Nulls; never null themselves, except kCoalesce of nulls only and kNullIf.
  kIsNull,
  kIsNotNull,
  kCoalesce,
  kNullIf,
  kTry,
  // if(condition, then, else); case(condition, value, …, else).
  kIf,
  kCase,
  // Text. Lengths and positions count characters, positions start at 0 as in Python.
  kLower,
  kUpper,
  kLength,
  kConcat,
  kSubstring,
  kTrim,
  kStartsWith,
  kEndsWith,
  kContains,
  kReplace,
  kSplitPart,
  kLike,
  kRegexpMatches,
  kRegexpExtract,
  kRegexpReplace,
  // Time: of timestamp or date. kTruncate(unit, time), kFormatTime(time, format), kParseTime(text, format).
  kYear,
  kMonth,
  kDay,
  kHour,
  kMinute,
  kSecond,
  kDayOfWeek,
  kDate,
  kTruncate,
  kFormatTime,
  kParseTime,
  kEpochMs,
  kFromEpochMs,
  // Nested: kField(struct, name), kElement(list, index) (null when there is none), kListLength, kListContains, kStruct(name, value, …).
  kField,
  kElement,
  kListLength,
  kListContains,
  kStruct,
  // 64-bit hash of the key encoding; the same on every machine.
  kHash,
};

struct FunctionEntry {
  Function function;
  std::string_view name;                ///< as it travels: "add", "lower"
  std::string_view symbol;              ///< "+" for operators that people write between arguments, else empty
  int least_arguments, most_arguments;  ///< most -1 = any number
  std::string_view doc;
};

/// All functions, in the order of the enum.
const std::vector<FunctionEntry>& Functions();
const FunctionEntry* FindFunction(std::string_view name);
inline const FunctionEntry& EntryOf(Function function) { return Functions()[static_cast<std::size_t>(function)]; }

}  // namespace headrace::plan
