#include "data/expression/constant_kernels.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/random.h"
#include "columnar/value_encoding.h"
#include "data/expression/evaluator.h"
#include "plan/expression.h"

namespace headrace::data::expression {
namespace {

using plan::Expression;

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();

Expression Int(std::int64_t value) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).Int(value);
  return literal;
}
Expression DecimalLiteral(const char* value) {
  Expression literal;
  literal.kind = Expression::Kind::kLiteral;
  columnar::ValueWriter(&literal.literal).Decimal(value);
  return literal;
}

/// More than a chunk of numbers: the ends of the range, neighbours of multiples, and random ones.
std::vector<std::int64_t> NumbersAround(std::int64_t by) {
  std::vector<std::int64_t> numbers = {0, 1, -1, by, -by, kLeast, kLeast + 1, kMost, kMost - 1};
  SeededRandom random(7);
  while (numbers.size() < 3000) {
    const auto any = static_cast<std::int64_t>(random.NextUint64());
    for (const std::int64_t number :
         {any, any >> 40, any / by * by, static_cast<std::int64_t>(static_cast<std::uint64_t>(any / by * by) - 1 + random.Uniform(3))})
      numbers.push_back(number);
  }
  return numbers;
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const std::vector<std::int64_t>& numbers) {
  const auto rows = static_cast<std::int64_t>(numbers.size());
  const auto data = arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, arrow::Buffer::Wrap(numbers)}, 0);
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("i", arrow::int64(), false)}), rows, {arrow::MakeArray(data)});
}

arrow::ArrayVector Evaluate(const std::vector<Expression>& expressions, const arrow::RecordBatch& batch) {
  std::vector<plan::TypedExpression> settled;
  for (const Expression& expression : expressions) settled.push_back(*plan::Settle(expression, *batch.schema()));
  return *(*Evaluator::Make(settled, batch.schema()))->Evaluate(batch);
}

TEST(ConstantKernels, RestsAreThoseOfFloorDivision) {
  for (const std::int64_t by : {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{5}, std::int64_t{6}, std::int64_t{7},
                                std::int64_t{96}, std::int64_t{123}, std::int64_t{1000}, std::int64_t{1} << 31, (std::int64_t{1} << 31) - 1,
                                std::int64_t{1} << 62, (std::int64_t{1} << 62) + 1, kMost - 1, kMost}) {
    const auto numbers = NumbersAround(by);
    const auto batch = BatchOf(numbers);
    const Expression rest = Expression::Call("modulo", {Expression::Column("i"), Int(by)});
    const auto results = Evaluate({rest, Expression::Call("equal", {rest, Int(0)})}, *batch);
    const auto& rests = static_cast<const arrow::Int64Array&>(*results[0]);
    const auto& multiples = static_cast<const arrow::BooleanArray&>(*results[1]);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const std::int64_t truncated = numbers[i] % by, expected = truncated < 0 ? truncated + by : truncated;
      const auto row = static_cast<std::int64_t>(i);
      ASSERT_EQ(rests.Value(row), expected) << numbers[i] << " % " << by;
      ASSERT_EQ(multiples.Value(row), expected == 0) << numbers[i] << " % " << by;
    }
  }
}

TEST(ConstantKernels, ProductsWithADecimalAreExact) {
  const auto numbers = NumbersAround(1000);
  const auto batch = BatchOf(numbers);
  const Expression column = Expression::Column("i");
  for (const char* literal : {"0.908", "-0.908", "9223372036854775.807", "0.000"}) {
    const auto results = Evaluate(
        {Expression::Call("multiply", {column, DecimalLiteral(literal)}), Expression::Call("multiply", {DecimalLiteral(literal), column})},
        *batch);
    const arrow::Decimal128 by = *arrow::Decimal128::FromString(literal);
    for (const auto& result : results) {
      const auto& products = static_cast<const arrow::Decimal128Array&>(*result);
      for (std::size_t i = 0; i < numbers.size(); ++i)
        ASSERT_EQ(arrow::Decimal128(products.GetValue(static_cast<std::int64_t>(i))), arrow::Decimal128(numbers[i]) * by)
            << numbers[i] << " * " << literal;
    }
  }
}

}  // namespace
}  // namespace headrace::data::expression
