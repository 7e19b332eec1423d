#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "columnar/value_encoding.h"
#include "data/expression/evaluator.h"
#include "plan/expression.h"
#include "plan/function_table.h"

// What no sane job holds: the ends of every range, NaN, text that is no UTF-8, huge counts. Run under UBSan, too.

namespace headrace::data::expression {
namespace {

using plan::Expression;

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();

template <typename Write>
Expression Literal(Write write) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter writer(&literal.literal);
  write(writer);
  return literal;
}
Expression Int(std::int64_t value) {
  return Literal([&](auto& writer) { writer.Int(value); });
}
Expression Text(std::string_view value) {
  return Literal([&](auto& writer) { writer.String(value); });
}
Expression Cast(Expression of, std::shared_ptr<arrow::DataType> type, bool or_null) {
  Expression cast;
  cast.kind = Expression::Kind::kCast;
  cast.type = std::move(type);
  cast.or_null = or_null;
  cast.arguments = {std::move(of)};
  return cast;
}

/// Values of one type.
struct Extremes {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::vector<std::shared_ptr<arrow::Scalar>> values;
};

template <typename Native>
Extremes Of(std::string name, std::shared_ptr<arrow::DataType> type, const std::vector<Native>& values) {
  Extremes made{std::move(name), std::move(type), {}};
  for (const Native& value : values) {
    if constexpr (std::is_same_v<Native, std::string>)
      made.values.push_back(*arrow::MakeScalar(made.type, arrow::Buffer::FromString(value)));
    else
      made.values.push_back(*arrow::MakeScalar(made.type, Native(value)));
  }
  made.values.push_back(arrow::MakeNullScalar(made.type));
  return made;
}

std::vector<Extremes> AllExtremes() {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::int64_t> ints = {kLeast, kLeast + 1, -1, 0, 1, 7, kMost - 1, kMost};
  const std::vector<double> floats = {-inf, -std::numeric_limits<double>::max(),       -0.0, 0.0,
                                      0.5,  std::numeric_limits<double>::denorm_min(), inf,  nan};
  const std::vector<std::string> texts = {"",
                                          "a b,c",
                                          std::string("\xff\xfe\x80\xc3", 4),
                                          "\xf8\x88\x80\x80\x80 \xed\xa0\x80",
                                          std::string("nul\0nul", 7),
                                          "9223372036854775808",
                                          "1e-60",
                                          "9999-12-31 23:59:59.999999999"};
  const std::string digits(38, '9');
  const auto decimal = [](const std::string& text) { return *arrow::Decimal128::FromString(text); };
  const std::vector<arrow::Decimal128> decimals = {
      decimal("-" + digits), decimal("-1"), decimal("0"), decimal("1"), decimal("5" + std::string(37, '0')), decimal(digits)};
  std::vector<Extremes> all = {
      Of("i", arrow::int64(), ints),
      Of("x", arrow::float64(), floats),
      Of("t", arrow::utf8(), texts),
      Of("y", arrow::binary(), texts),
      Of("b", arrow::boolean(), std::vector<bool>{true, false}),
      Of("m", arrow::decimal128(38, 0), decimals),
      Of("n", arrow::decimal128(38, 38), decimals),
      Of("d", arrow::date32(), std::vector<std::int32_t>{INT32_MIN, -1, 0, 1, INT32_MAX}),
      Of("small", arrow::int8(), std::vector<std::int8_t>{-128, -1, 0, 127}),
  };
  for (const auto unit : {arrow::TimeUnit::SECOND, arrow::TimeUnit::MILLI, arrow::TimeUnit::MICRO, arrow::TimeUnit::NANO}) {
    all.push_back(Of("at" + std::to_string(unit), arrow::timestamp(unit, "UTC"), ints));
    all.push_back(Of("span" + std::to_string(unit), arrow::duration(unit), ints));
  }
  return all;
}

/// Every value of every type beside every value of every other: columns NAME_0, NAME_1 and NAME_2.
std::shared_ptr<arrow::RecordBatch> ExtremeRows(const std::vector<Extremes>& all) {
  constexpr std::int64_t kValues = 9, kRows = kValues * kValues;
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const Extremes& each : all) {
    for (int which = 0; which < 3; ++which) {
      auto builder = *arrow::MakeBuilder(each.type);
      for (std::int64_t row = 0; row < kRows; ++row) {
        const std::int64_t value = which == 0 ? row / kValues : which == 1 ? row % kValues : row / kValues + row;
        EXPECT_TRUE(builder->AppendScalar(*each.values[static_cast<std::size_t>(value) % each.values.size()]).ok());
      }
      fields.push_back(arrow::field(each.name + "_" + std::to_string(which), each.type));
      columns.push_back(*builder->Finish());
    }
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), kRows, columns);
}

/// Evaluates it as it stands and below try: it gives a good column or an error, whatever the rows hold.
void RunBoth(const Expression& expression, const arrow::RecordBatch& rows, int* ran) {
  for (const bool below_try : {false, true}) {
    const auto settled = plan::Settle(below_try ? Expression::Call("try", {expression}) : expression, *rows.schema());
    if (!settled.ok()) return;
    auto evaluator = Evaluator::Make({*settled}, rows.schema());
    if (!evaluator.ok()) {
      EXPECT_TRUE(evaluator.status().IsNotImplemented()) << expression.ToString() << ": " << evaluator.status().message();
      return;
    }
    const auto result = (*evaluator)->Evaluate(rows);
    ++*ran;
    if (!result.ok()) {
      EXPECT_FALSE(below_try) << expression.ToString() << ": " << result.status().message();
      continue;
    }
    EXPECT_EQ((*result)[0]->length(), rows.num_rows());
    const arrow::Array& column = *(*result)[0];
    // Text may be what came in: no UTF-8.
    const bool text = column.type_id() == arrow::Type::STRING || column.type_id() == arrow::Type::STRUCT;
    EXPECT_TRUE((text ? column.Validate() : column.ValidateFull()).ok()) << expression.ToString() << column.ValidateFull().message();
  }
}

TEST(Extremes, EveryFunctionTakesWhatItsTypesHold) {
  const std::vector<Extremes> all = AllExtremes();
  const auto rows = ExtremeRows(all);
  const auto empty = rows->Slice(0, 0);
  std::vector<Expression> literals = {Int(kLeast),
                                      Int(-1),
                                      Int(0),
                                      Int(3),
                                      Int(kMost),
                                      Text(""),
                                      Text("day"),
                                      Text("%Y %s"),
                                      Text("(.*)*"),
                                      Text("\\1"),
                                      Literal([](auto& w) { w.None(); })};
  const auto arguments = [&](int which) {
    std::vector<Expression> some = literals;
    for (const Extremes& each : all) some.push_back(Expression::Column(each.name + "_" + std::to_string(which)));
    return some;
  };
  const auto first = arguments(0), second = arguments(1);
  std::vector<Expression> third = literals;
  for (const char* name : {"i_2", "x_2", "t_2", "m_2", "n_2", "at1_2"}) third.push_back(Expression::Column(name));
  for (const plan::FunctionEntry& entry : plan::Functions()) {
    const std::string name(entry.name);
    if (name == "try") continue;
    int ran = 0;
    for (const Expression& a : first) {
      if (entry.least_arguments <= 1) RunBoth(Expression::Call(name, {a}), *rows, &ran);
      if (entry.most_arguments == 1) continue;
      for (const Expression& b : second) {
        if (entry.least_arguments <= 2) RunBoth(Expression::Call(name, {a, b}), *rows, &ran);
        if (entry.most_arguments == 2 || (entry.most_arguments < 0 && entry.least_arguments < 3)) continue;
        for (const Expression& c : third) RunBoth(Expression::Call(name, {a, b, c}), *rows, &ran);
      }
    }
    const bool nested = name == "field" || name == "struct" || name == "element" || name.starts_with("list_");
    EXPECT_TRUE(ran > 0 || nested || name == "hash") << name;
    RunBoth(Expression::Call(name, {first.back(), second.back()}), *empty, &ran);
  }
}

TEST(Extremes, EveryCastTakesWhatItsTypesHold) {
  const std::vector<Extremes> all = AllExtremes();
  const auto rows = ExtremeRows(all);
  std::vector<std::shared_ptr<arrow::DataType>> types = {arrow::int8(),    arrow::int16(),          arrow::int32(),
                                                         arrow::uint8(),   arrow::uint16(),         arrow::uint32(),
                                                         arrow::float32(), arrow::decimal128(1, 0), arrow::decimal128(10, 2)};
  for (const Extremes& each : all) types.push_back(each.type);
  int ran = 0;
  for (const auto& type : types)
    for (const Extremes& each : all)
      for (const bool or_null : {false, true}) RunBoth(Cast(Expression::Column(each.name + "_0"), type, or_null), *rows, &ran);
  EXPECT_GT(ran, 200);
}

/// What `expression` gives for one row that holds `value` as v, or why it fails.
std::string Answer(const Expression& expression, const std::shared_ptr<arrow::Scalar>& value) {
  const auto schema = arrow::schema({arrow::field("v", value->type)});
  const auto rows = arrow::RecordBatch::Make(schema, 1, {*arrow::MakeArrayFromScalar(*value, 1)});
  const auto settled = plan::Settle(expression, *schema);
  if (!settled.ok()) return settled.status().message();
  auto evaluator = Evaluator::Make({*settled}, schema);
  if (!evaluator.ok()) return evaluator.status().message();
  const auto result = (*evaluator)->Evaluate(*rows);
  if (!result.ok())
    return result.status().message().find("beyond the range") != std::string::npos   ? "overflow"
           : result.status().message().find("does not fit") != std::string::npos     ? "bad cast"
           : result.status().message().find("division by zero") != std::string::npos ? "division by zero"
                                                                                     : result.status().message();
  return (*result)[0]->IsNull(0) ? "null" : (*(*result)[0]->GetScalar(0))->ToString();
}

TEST(Extremes, Answers) {
  const auto call = [](const std::string& name, std::vector<Expression> more = {}) {
    more.insert(more.begin(), Expression::Column("v"));
    return Expression::Call(name, std::move(more));
  };
  const auto of_int = [](std::int64_t value) { return arrow::MakeScalar(value); };
  const auto of_float = [](double value) { return arrow::MakeScalar(value); };
  const auto of_text = [](const std::string& value) { return arrow::MakeScalar(value); };
  const auto at = [](arrow::TimeUnit::type unit, std::int64_t value) { return *arrow::MakeScalar(arrow::timestamp(unit, "UTC"), value); };
  const auto decimal = [](const std::string& text, std::int32_t scale) {
    return *arrow::MakeScalar(arrow::decimal128(38, scale), *arrow::Decimal128::FromString(text));
  };
  const std::string nines(38, '9');
  const auto seconds = arrow::TimeUnit::SECOND, millis = arrow::TimeUnit::MILLI, nanos = arrow::TimeUnit::NANO;
  const auto truncate = [](const char* unit) { return Expression::Call("truncate", {Text(unit), Expression::Column("v")}); };
  const auto to = [](std::shared_ptr<arrow::DataType> type) { return Cast(Expression::Column("v"), std::move(type), false); };
  struct Case {
    const char* what;
    std::string got;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"least // -1", Answer(call("floor_divide", {Int(-1)}), of_int(kLeast)), "overflow"},
      {"least % -1", Answer(call("modulo", {Int(-1)}), of_int(kLeast)), "0"},
      {"% 0", Answer(call("modulo", {Int(0)}), of_int(1)), "division by zero"},
      {"-least", Answer(call("negate"), of_int(kLeast)), "overflow"},
      {"abs(least)", Answer(call("abs"), of_int(kLeast)), "overflow"},
      {"round to -400 digits", Answer(call("round", {Int(-400)}), of_float(1.5)), "0"},
      {"round to 400 digits", Answer(call("round", {Int(400)}), of_float(1.5)), "1.5"},
      {"round to 309 digits", Answer(call("round", {Int(309)}), of_float(0.0)), "0"},
      {"round a decimal to the least number of digits", Answer(call("round", {Int(kLeast)}), decimal("5", 2)), "0.00"},
      {"round a decimal to more digits", Answer(call("round", {Int(kMost)}), decimal("5", 2)), "0.05"},
      {"round all digits of a decimal away", Answer(call("round"), decimal(nines, 38)), "overflow"},
      {"all digits of a decimal to an int", Answer(to(arrow::int64()), decimal(nines, 38)), "0"},
      {"a decimal of 38 digits to one without", Answer(to(arrow::decimal128(38, 0)), decimal(nines, 38)), "1"},
      {"nan to int", Answer(to(arrow::int64()), of_float(std::numeric_limits<double>::quiet_NaN())), "bad cast"},
      {"2^63 to int", Answer(to(arrow::int64()), of_float(0x1p63)), "bad cast"},
      {"infinity to a decimal", Answer(to(arrow::decimal128(38, 0)), of_float(std::numeric_limits<double>::infinity())), "bad cast"},
      {"text with more digits behind the point than a decimal has", Answer(to(arrow::decimal128(10, 2)), of_text("1e-60")), "0.00"},
      {"text of 10^60", Answer(to(arrow::decimal128(10, 2)), of_text("1e60")), "bad cast"},
      {"text beyond int64", Answer(to(arrow::int64()), of_text("9223372036854775808")), "bad cast"},
      {"text beyond ns", Answer(to(arrow::timestamp(nanos, "UTC")), of_text("9999-12-31 00:00:00")), "bad cast"},
      {"ms of a time in seconds that ms do not hold", Answer(call("epoch_ms"), at(seconds, kMost)), "overflow"},
      {"a date beyond dates", Answer(call("date"), at(millis, kMost)), "overflow"},
      {"a cast to a date beyond dates", Answer(to(arrow::date32()), at(millis, kMost)), "overflow"},
      {"year 292278994", Answer(call("year"), at(millis, kMost)), "292278994"},
      {"hour of the least time", Answer(call("hour"), at(millis, kLeast)), "16"},
      {"the least time as text", Answer(to(arrow::utf8()), at(millis, kLeast)), "-292275055-05-16 16:47:04.192"},
      {"the least time, cut to weeks", Answer(truncate("week"), at(millis, kLeast)), "overflow"},
      {"the least time, cut to hours", Answer(truncate("hour"), at(millis, kLeast)), "overflow"},
      {"the greatest time, cut to years", Answer(call("year"), at(nanos, kMost)), "2262"},
      {"a format of a year beyond int", Answer(call("format_time", {Text("%Y")}), at(seconds, kMost)), "overflow"},
      {"text of a time beyond µs", Answer(call("parse_time", {Text("%s")}), of_text("9223372036854775")), "bad cast"},
      {"seconds to ns", Answer(to(arrow::timestamp(nanos, "UTC")), at(seconds, 10'000'000'000)), "overflow"},
      {"substring from the least", Answer(call("substring", {Int(kLeast), Int(kMost)}), of_text("abc")), "abc"},
      {"substring behind the end", Answer(call("substring", {Int(kMost)}), of_text("abc")), ""},
      {"substring of less than nothing", Answer(Expression::Call("try", {call("substring", {Int(0), Int(-1)})}), of_text("abc")), "null"},
      {"a part far behind", Answer(call("split_part", {Text(","), Int(kMost)}), of_text("a,b")), "null"},
      {"a part before the first", Answer(call("split_part", {Text(","), Int(-1)}), of_text("a,b")), "null"},
      {"letters that are none", Answer(call("length"), of_text("\xff\xc3")), "2"},
      {"a regexp that others take ages for", Answer(call("regexp_matches", {Text("(a+)+$")}), of_text(std::string(100'000, 'a') + "b")),
       "false"},
  };
  for (const Case& each : cases) EXPECT_EQ(each.got, each.expected) << each.what;
}

}  // namespace
}  // namespace headrace::data::expression
