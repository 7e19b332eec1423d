#include "columnar/row_hash.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <memory>
#include <vector>

namespace headrace::columnar {
namespace {

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Column(const std::vector<T>& values, bool last_is_null = false) {
  Builder builder;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool null = last_is_null && i + 1 == values.size();
    EXPECT_TRUE((null ? builder.AppendNull() : builder.Append(values[i])).ok());
  }
  return builder.Finish().ValueOrDie();
}

std::vector<std::uint64_t> HashOf(const std::shared_ptr<arrow::Array>& left, const std::shared_ptr<arrow::Array>& right) {
  const auto schema = arrow::schema({arrow::field("a", left->type()), arrow::field("b", right->type())});
  const auto batch = arrow::RecordBatch::Make(schema, left->length(), arrow::ArrayVector{left, right});
  std::vector<std::uint64_t> hashes;
  EXPECT_TRUE(HashRows(*batch, std::array{0, 1}, &hashes).ok());
  return hashes;
}

// Saved state is cut by these numbers; they were computed by another program from docs/formats/row_hash.md.
TEST(RowHash, IsWhatTheFormatSaysAtEveryWidth) {
  const std::vector<std::uint64_t> expected = {0x8336233ab5c76d9dULL, 0x1549c43b1b381c21ULL, 0x2c63974483ad3eb3ULL};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto floats = Column<arrow::FloatBuilder, float>({1.5F, -0.0F, nan});
  const auto doubles = Column<arrow::DoubleBuilder, double>({1.5, 0.0, -std::numeric_limits<double>::quiet_NaN()});
  const auto narrow = Column<arrow::Int8Builder, std::int8_t>({1, -7, 0}, /*last_is_null=*/true);
  const auto wide = Column<arrow::Int64Builder, std::int64_t>({1, -7, 0}, /*last_is_null=*/true);
  EXPECT_EQ(HashOf(wide, doubles), expected);
  EXPECT_EQ(HashOf(narrow, floats), expected);
}

TEST(RowHash, OtherColumnsAreRefused) {
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::null())}), 1,
                                              arrow::ArrayVector{std::make_shared<arrow::NullArray>(1)});
  std::vector<std::uint64_t> hashes;
  EXPECT_FALSE(HashRows(*batch, std::array{0}, &hashes).ok());
}

}  // namespace
}  // namespace headrace::columnar
