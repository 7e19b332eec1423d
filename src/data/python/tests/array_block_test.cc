#include "data/python/array_block.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace headrace::data::python {
namespace {

std::shared_ptr<arrow::Buffer> Written(const ArrayWriter& writer) {
  auto buffer = arrow::AllocateBuffer(static_cast<std::int64_t>(writer.size())).ValueOrDie();
  std::memset(buffer->mutable_data(), 0, writer.size());
  writer.Write(buffer->mutable_data());
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

/// Every third value is null, when `nulls`.
template <typename Builder, typename Make>
std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type, bool nulls, Make make) {
  Builder builder(type, arrow::default_memory_pool());
  for (int i = 0; i < 40; ++i) EXPECT_TRUE((nulls && i % 3 == 0 ? builder.AppendNull() : builder.Append(make(i))).ok());
  return builder.Finish().ValueOrDie();
}

arrow::ArrayVector ColumnsOfAllLayouts() {
  arrow::ArrayVector columns;
  for (const bool nulls : {false, true}) {
    columns.push_back(Column<arrow::DoubleBuilder>(arrow::float64(), nulls, [](int i) { return i * 0.5; }));
    columns.push_back(Column<arrow::Int8Builder>(arrow::int8(), nulls, [](int i) { return static_cast<std::int8_t>(i); }));
    columns.push_back(Column<arrow::BooleanBuilder>(arrow::boolean(), nulls, [](int i) { return i % 2 == 0; }));
    columns.push_back(Column<arrow::TimestampBuilder>(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), nulls, [](int i) { return i; }));
    columns.push_back(Column<arrow::Decimal128Builder>(arrow::decimal128(10, 2), nulls, [](int i) { return arrow::Decimal128(i); }));
    columns.push_back(
        Column<arrow::StringBuilder>(arrow::utf8(), nulls, [](int i) { return std::string(static_cast<std::size_t>(i), 'x'); }));
    columns.push_back(Column<arrow::LargeBinaryBuilder>(arrow::large_binary(), nulls, [](int i) { return std::to_string(i); }));
    columns.push_back(Column<arrow::StringBuilder>(arrow::utf8(), nulls, [](int) { return std::string(); }));
  }
  return columns;
}

arrow::FieldVector FieldsOf(const arrow::ArrayVector& arrays) {
  arrow::FieldVector fields;
  for (const auto& array : arrays) fields.push_back(arrow::field("a", array->type()));
  return fields;
}

TEST(ArrayBlock, PartsOfAllLayoutsTravel) {
  const arrow::ArrayVector columns = ColumnsOfAllLayouts();
  using Cuts = std::vector<std::pair<std::int64_t, std::int64_t>>;  // from, rows
  for (const Cuts& cuts : {Cuts{{0, 40}}, Cuts{{5, 17}}, Cuts{{8, 8}}, Cuts{{39, 1}}, Cuts{{0, 5}, {5, 0}, {5, 11}, {16, 24}},
                           Cuts{{1, 1}, {4, 2}, {30, 10}, {0, 3}}}) {
    std::vector<arrow::ArrayVector> parts;
    arrow::ArrayVector joined;
    std::int64_t rows = 0;
    for (const auto& [from, count] : cuts) rows += count;
    for (const auto& column : columns) {
      parts.emplace_back();
      for (const auto& [from, count] : cuts) parts.back().push_back(column->Slice(from, count));
      joined.push_back(arrow::Concatenate(parts.back()).ValueOrDie());
    }
    const auto writer = ArrayWriter::Make(parts, rows);
    ASSERT_TRUE(writer.ok()) << writer.status();
    const auto read = ReadArrays(Written(*writer), FieldsOf(columns), rows);
    ASSERT_TRUE(read.ok()) << read.status();
    for (std::size_t i = 0; i < joined.size(); ++i) {
      EXPECT_TRUE((*read)[i]->Equals(joined[i])) << joined[i]->type()->ToString() << " in " << cuts.size() << " parts";
      EXPECT_EQ((*read)[i]->null_count(), joined[i]->null_count());
    }
  }
}

TEST(ArrayBlock, AColumnThatComesTwiceLiesThereOnce) {
  const auto column = Column<arrow::DoubleBuilder>(arrow::float64(), true, [](int i) { return i * 0.5; });
  const auto once = ArrayWriter::Make({{column}}, 40).ValueOrDie(), twice = ArrayWriter::Make({{column}, {column}}, 40).ValueOrDie();
  EXPECT_LE(twice.size(), once.size() + 64);
  const auto read = ReadArrays(Written(twice), FieldsOf({column, column}), 40);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE((*read)[0]->Equals(column));
  EXPECT_TRUE((*read)[1]->Equals(column));
}

TEST(ArrayBlock, OtherRowsColumnsOrTypesAreRefused) {
  const auto column = Column<arrow::Int8Builder>(arrow::int8(), false, [](int i) { return static_cast<std::int8_t>(i); });
  EXPECT_FALSE(ArrayWriter::Make({{column}, {column->Slice(1)}}, 40).ok());
  const auto block = Written(ArrayWriter::Make({{column}}, 40).ValueOrDie());
  EXPECT_TRUE(ReadArrays(block, {arrow::field("a", arrow::int8())}, 40).ok());
  EXPECT_FALSE(ReadArrays(block, {arrow::field("a", arrow::int8())}, 39).ok());
  EXPECT_FALSE(ReadArrays(block, {}, 40).ok());
  EXPECT_FALSE(ReadArrays(block, {arrow::field("a", arrow::float64())}, 40).ok()) << "more bytes than there are";
  EXPECT_FALSE(ReadArrays(block, {arrow::field("a", arrow::utf8())}, 40).ok());
  EXPECT_FALSE(ReadArrays(arrow::SliceBuffer(block, 0, 16), {arrow::field("a", arrow::int8())}, 40).ok());
}

TEST(ArrayBlock, DamagedBlocksAreRefusedOrWellFormed) {
  arrow::ArrayVector columns;
  std::vector<arrow::ArrayVector> parts;
  for (const auto& column : ColumnsOfAllLayouts()) {
    if (column->null_count() == 0) continue;
    columns.push_back(column);
    parts.push_back({column});
  }
  const auto good = Written(ArrayWriter::Make(parts, 40).ValueOrDie());
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto damaged = arrow::AllocateBuffer(good->size()).ValueOrDie();
    std::memcpy(damaged->mutable_data(), good->data(), static_cast<std::size_t>(good->size()));
    // Half of the damage in the head.
    const auto limit = static_cast<std::size_t>(i % 2 == 0 ? good->size() : 16 + 56 * static_cast<std::int64_t>(columns.size()));
    for (int flips = 0; flips < 3; ++flips) damaged->mutable_data()[random() % limit] = static_cast<std::uint8_t>(random());
    const auto read = ReadArrays(std::shared_ptr<arrow::Buffer>(std::move(damaged)), FieldsOf(columns), 40);
    if (!read.ok()) {
      ++refused;
      continue;
    }
    for (const auto& array : *read) {
      ASSERT_TRUE(array->ValidateFull().ok());
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace headrace::data::python
