#include "data/expression/evaluator.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "columnar/value_encoding.h"
#include "plan/expression.h"

namespace headrace::data::expression {
namespace {

using plan::Expression;

Expression Col(const std::string& name) { return Expression::Column(name); }
Expression Lit(int value) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).Int(value);
  return literal;
}
Expression Lit(double value) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).Float(value);
  return literal;
}
Expression Lit(const char* value) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).String(value);
  return literal;
}
Expression Null() {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).None();
  return literal;
}
template <typename... Arguments>
Expression Call(const std::string& function, Arguments... arguments) {
  return Expression::Call(function, {std::move(arguments)...});
}

/// Rows: i, j int64; x float64; t text; b bool; d date; at timestamp[ms, UTC]; n int64 with nulls; m decimal(10, 2).
std::shared_ptr<arrow::RecordBatch> Rows() {
  const auto column = [](const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
    return *arrow::json::ArrayFromJSONString(type, json);
  };
  const auto at = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  const auto schema = arrow::schema(
      {arrow::field("i", arrow::int64(), false), arrow::field("j", arrow::int64(), false), arrow::field("x", arrow::float64(), false),
       arrow::field("t", arrow::utf8(), false), arrow::field("b", arrow::boolean(), false), arrow::field("d", arrow::date32(), false),
       arrow::field("at", at, false), arrow::field("n", arrow::int64()), arrow::field("m", arrow::decimal128(10, 2), false)});
  return arrow::RecordBatch::Make(
      schema, 4,
      {column(arrow::int64(), "[1, -7, 0, 9223372036854775807]"), column(arrow::int64(), "[2, 2, 0, 1]"),
       column(arrow::float64(), "[0.5, -1.5, NaN, Inf]"), column(arrow::utf8(), R"(["abc", "", "Zürich", " a b "])"),
       column(arrow::boolean(), "[true, false, true, false]"), column(arrow::date32(), "[0, -1, 19782, 11016]"),
       column(at, "[0, -1, 1709210096789, 951782400000]"), column(arrow::int64(), "[5, null, 0, null]"),
       column(arrow::decimal128(10, 2), R"(["1.25", "-0.05", "12345678.90", "0.00"])")});
}

std::string Evaluate(const Expression& expression) {
  const auto rows = Rows();
  const auto settled = plan::Settle(expression, *rows->schema());
  if (!settled.ok()) return settled.status().message();
  auto evaluator = Evaluator::Make({*settled}, rows->schema());
  if (!evaluator.ok()) return evaluator.status().message();
  const auto result = (*evaluator)->Evaluate(*rows);
  if (!result.ok()) return result.status().message();
  const auto& array = *(*result)[0];
  if (!array.ValidateFull().ok()) return array.ValidateFull().message();
  std::string text;
  for (std::int64_t i = 0; i < array.length(); ++i)
    text += (i > 0 ? " | " : "") + (array.IsNull(i) ? std::string("null") : (*array.GetScalar(i))->ToString());
  return text;
}

struct Case {
  const char* name;
  Expression expression;
  const char* expected;
};

TEST(Evaluator, Cases) {
  const std::vector<Case> cases = {
      {"add", Call("add", Col("i"), Lit(1)), "i + 1: the result is beyond the range of its type for i = 9223372036854775807"},
      {"add below try", Call("try", Call("add", Col("i"), Lit(1))), "2 | -6 | 1 | null"},
      {"subtract", Call("subtract", Col("i"), Col("j")), "-1 | -9 | 0 | 9223372036854775806"},
      {"multiply by a float", Call("multiply", Col("j"), Lit(1.5)), "3 | 3 | 0 | 1.5"},
      {"divide", Call("divide", Col("j"), Lit(4)), "0.5 | 0.5 | 0 | 0.25"},
      {"floor_divide rounds down", Call("floor_divide", Col("i"), Lit(2)), "0 | -4 | 0 | 4611686018427387903"},
      {"modulo has the divisor's sign", Call("modulo", Col("i"), Lit(3)), "1 | 2 | 0 | 1"},
      {"modulo by zero", Call("modulo", Col("i"), Col("j")), "i % j: division by zero for i = 0, j = 0"},
      {"an error that is not used", Call("if", Call("equal", Col("j"), Lit(0)), Lit(-1), Call("modulo", Col("i"), Col("j"))),
       "1 | 1 | -1 | 0"},
      {"false decides", Call("and", Call("not_equal", Col("j"), Lit(0)), Call("greater", Call("floor_divide", Col("i"), Col("j")), Lit(0))),
       "false | false | false | true"},
      {"nan is equal to itself", Call("equal", Col("x"), Col("x")), "true | true | true | true"},
      {"nan is greatest", Call("greater", Col("x"), Lit(1e300)), "false | false | true | true"},
      {"null in, null out", Call("add", Col("n"), Lit(1)), "6 | null | 1 | null"},
      {"null and false", Call("and", Call("equal", Col("n"), Lit(5)), Col("b")), "true | false | false | false"},
      {"is_null", Call("is_null", Col("n")), "false | true | false | true"},
      {"coalesce", Call("coalesce", Col("n"), Lit(7)), "5 | 7 | 0 | 7"},
      {"null_if", Call("null_if", Col("n"), Lit(5)), "null | null | 0 | null"},
      {"is_in", Call("is_in", Col("i"), Lit(0), Lit(-7)), "false | true | true | false"},
      {"is_in with null", Call("is_in", Col("i"), Lit(0), Null()), "null | null | true | null"},
      {"between", Call("between", Col("i"), Lit(-7), Lit(0)), "false | true | true | false"},
      {"least skips nulls", Call("least", Col("n"), Lit(3)), "3 | 3 | 0 | 3"},
      {"case", Call("case", Call("less", Col("i"), Lit(0)), Lit("neg"), Call("equal", Col("i"), Lit(0)), Lit("zero"), Lit("pos")),
       "pos | neg | zero | pos"},
      {"upper", Call("upper", Col("t")), "ABC |  | ZÜRICH |  A B "},
      {"length", Call("length", Col("t")), "3 | 0 | 6 | 5"},
      {"substring", Call("substring", Col("t"), Lit(1), Lit(2)), "bc |  | ür | a "},
      {"substring from the end", Call("substring", Col("t"), Lit(-2)), "bc |  | ch | b "},
      {"trim", Call("trim", Col("t")), "abc |  | Zürich | a b"},
      {"concat", Call("concat", Col("t"), Lit("-"), Col("t")), "abc-abc | - | Zürich-Zürich |  a b - a b "},
      {"replace", Call("replace", Col("t"), Lit(" "), Lit("__")), "abc |  | Zürich | __a__b__"},
      {"split_part", Call("split_part", Col("t"), Lit(" "), Lit(1)), "null | null | null | a"},
      {"contains", Call("contains", Col("t"), Lit("b")), "true | false | false | true"},
      {"less text", Call("less", Col("t"), Lit("b")), "true | true | true | true"},
      {"year", Call("year", Col("at")), "1970 | 1969 | 2024 | 2000"},
      {"month", Call("month", Col("at")), "1 | 12 | 2 | 2"},
      {"day", Call("day", Col("at")), "1 | 31 | 29 | 29"},
      {"hour", Call("hour", Col("at")), "0 | 23 | 12 | 0"},
      {"second", Call("second", Col("at")), "0 | 59 | 56 | 0"},
      {"day_of_week", Call("day_of_week", Col("at")), "4 | 3 | 4 | 2"},
      {"year of a date", Call("year", Col("d")), "1970 | 1969 | 2024 | 2000"},
      {"truncate to hours", Call("epoch_ms", Call("truncate", Lit("hour"), Col("at"))), "0 | -3600000 | 1709208000000 | 951782400000"},
      {"truncate to weeks", Call("date", Call("truncate", Lit("week"), Col("at"))), "1969-12-29 | 1969-12-29 | 2024-02-26 | 2000-02-28"},
      {"truncate to months", Call("date", Call("truncate", Lit("month"), Col("at"))), "1970-01-01 | 1969-12-01 | 2024-02-01 | 2000-02-01"},
      {"decimal times int", Call("multiply", Col("m"), Lit(3)), "3.75 | -0.15 | 37037036.70 | 0.00"},
      {"decimal plus int", Call("add", Col("m"), Lit(1)), "2.25 | 0.95 | 12345679.90 | 1.00"},
      {"decimal compared", Call("greater", Col("m"), Lit(1)), "true | false | true | false"},
      {"unknown column", Call("add", Col("prize"), Lit(1)), "there is no column \"prize\"; the rows have i, j, x, t, b, d, at, n, m"},
      {"text plus int", Call("add", Col("t"), Lit(1)), "in t + 1: add takes numbers, not text and int64"},
      {"a condition that is none", Call("and", Col("i"), Col("b")), "in i & b: and takes conditions (bool), not int64 and bool"},
      {"unknown function", Call("uper", Col("t")), "there is no function \"uper\" - did you mean \"upper\"?"},
      {"too few arguments", Call("replace", Col("t"), Lit("a")), "replace takes 3 arguments, not 2"},
  };
  for (const Case& each : cases) EXPECT_EQ(Evaluate(each.expression), each.expected) << each.name;
}

}  // namespace
}  // namespace headrace::data::expression
