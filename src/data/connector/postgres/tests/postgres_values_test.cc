#include "data/connector/postgres/postgres_values.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace headrace::data::connector {
namespace {

std::string Bytes(std::int64_t value, int size = 8) {
  std::string bytes;
  for (int shift = size * 8 - 8; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

/// One cell of an answer as a column shows it; why it is refused.
std::string Decoded(const std::shared_ptr<arrow::DataType>& type, const std::string& cell) {
  const auto column = PostgresColumn::Make(type).ValueOrDie();
  const auto decoded = column.Decode(postgres::Rows(1, {cell}), 0);
  if (!decoded.ok()) return "!" + decoded.status().message();
  EXPECT_TRUE((*decoded)->ValidateFull().ok()) << (*decoded)->ValidateFull();
  return (*decoded)->GetScalar(0).ValueOrDie()->ToString();
}

/// A key may be of another type than the column that it is compared with.
TEST(PostgresColumn, KeysTravelByTheirOwnType) {
  arrow::Int16Builder builder;
  ASSERT_TRUE(builder.AppendValues({1, -2, 3}).ok());
  const auto keys = builder.Finish().ValueOrDie();
  const auto values = PostgresColumn::Make(arrow::int64()).ValueOrDie().Encode(*keys->data());
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values[0], Bytes(1));
  EXPECT_EQ(values[1], Bytes(-2));
  arrow::LargeStringBuilder texts;
  ASSERT_TRUE(texts.AppendValues({"a", "bc"}).ok());
  EXPECT_EQ(PostgresColumn::Make(arrow::utf8()).ValueOrDie().Encode(*texts.Finish().ValueOrDie()->data())[1], "bc");
}

TEST(PostgresValues, EveryValueComesIntoItsColumn) {
  using arrow::TimeUnit;
  EXPECT_EQ(Decoded(arrow::boolean(), "\1"), "true");
  EXPECT_EQ(Decoded(arrow::int8(), Bytes(-128)), "-128");
  EXPECT_EQ(Decoded(arrow::uint64(), "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(Decoded(arrow::utf8(), "é"), "é");
  EXPECT_EQ(Decoded(arrow::decimal128(10, 2), "-12.5"), "-12.50");
  EXPECT_EQ(Decoded(arrow::date32(), Bytes(-1, 4)), "1999-12-31");
  EXPECT_EQ(Decoded(arrow::timestamp(TimeUnit::MILLI, "UTC"), Bytes(1999)), "2000-01-01 00:00:00.001Z");
  EXPECT_EQ(Decoded(arrow::time64(TimeUnit::MICRO), Bytes(1)), "00:00:00.000001");
}

TEST(PostgresValues, WhatAColumnDoesNotHoldIsRefused) {
  using arrow::TimeUnit;
  for (const std::string& refused :
       {Decoded(arrow::int8(), Bytes(128)), Decoded(arrow::int64(), "1234567"), Decoded(arrow::boolean(), ""),
        Decoded(arrow::uint64(), "-1"), Decoded(arrow::utf8(), "\xff"), Decoded(arrow::decimal128(3, 2), "12.5"),
        Decoded(arrow::decimal128(3, 2), "NaN"), Decoded(arrow::decimal128(3, 2), "0.125"), Decoded(arrow::date32(), Bytes(0x7FFFFFFF, 4)),
        Decoded(arrow::date32(), Bytes(0x7FFFFFFE, 4)), Decoded(arrow::time64(TimeUnit::MICRO), Bytes(86'400'000'000)),
        Decoded(arrow::time64(TimeUnit::NANO), Bytes(-1)), Decoded(arrow::timestamp(TimeUnit::MILLI), Bytes(INT64_MAX)),
        Decoded(arrow::timestamp(TimeUnit::NANO), Bytes(INT64_MAX / 2))})
    EXPECT_TRUE(refused.starts_with("!")) << refused;
}

TEST(PostgresValues, WhatPostgresDoesNotHoldIsNullOnTheWayThere) {
  arrow::StringBuilder texts;
  ASSERT_TRUE(texts.AppendValues({"a", std::string("a\0b", 3)}).ok());
  const auto encoded = PostgresColumn::Make(arrow::utf8()).ValueOrDie().Encode(*texts.Finish().ValueOrDie()->data());
  EXPECT_EQ(encoded, (std::vector<std::optional<std::string>>{"a", std::nullopt}));
  arrow::UInt64Builder numbers;
  ASSERT_TRUE(numbers.AppendValues({1, UINT64_MAX}).ok());
  EXPECT_EQ(PostgresColumn::Make(arrow::uint64()).ValueOrDie().Encode(*numbers.Finish().ValueOrDie()->data()),
            (std::vector<std::optional<std::string>>{Bytes(1), std::nullopt}));
  EXPECT_FALSE(PostgresColumn::Make(arrow::list(arrow::int8())).ok());
}

}  // namespace
}  // namespace headrace::data::connector
