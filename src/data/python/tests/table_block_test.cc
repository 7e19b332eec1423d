#include "data/python/table_block.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "columnar/value_encoding.h"

namespace headrace::data::python {
namespace {

std::shared_ptr<arrow::Buffer> Written(const TableWriter& table) {
  auto buffer = arrow::AllocateBuffer(static_cast<std::int64_t>(table.size())).ValueOrDie();
  std::memset(buffer->mutable_data(), 0, table.size());
  table.Write(buffer->mutable_data());
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> Column(const std::vector<Value>& values) {
  Builder builder;
  for (const Value& value : values) EXPECT_TRUE(builder.Append(value).ok());
  EXPECT_TRUE(builder.AppendNull().ok());
  return builder.Finish().ValueOrDie();
}

TEST(TableBlock, ColumnsOfAllNativeFormsComeBackAsTheirTypes) {
  const arrow::ArrayVector columns = {Column<arrow::Int64Builder, std::int64_t>({1, -5}),
                                      Column<arrow::Int8Builder, std::int8_t>({-128, 127, 0}),
                                      Column<arrow::UInt32Builder, std::uint32_t>({4294967295u}),
                                      Column<arrow::DoubleBuilder, double>({1.5}),
                                      Column<arrow::FloatBuilder, float>({0.25f, -1}),
                                      Column<arrow::BooleanBuilder, bool>({true, false}),
                                      Column<arrow::StringBuilder, std::string>({"", "é", "xyz"}),
                                      Column<arrow::BinaryBuilder, std::string>({std::string("a\0b", 3)}),
                                      Column<arrow::Date32Builder, std::int32_t>({-1, 20000})};
  TableWriter table;
  for (const auto& column : columns) {
    ASSERT_TRUE(table.AddColumn(column).ok());
    ASSERT_TRUE(table.AddColumn(column->Slice(1)).ok());
  }
  const auto read = ReadTable(Written(table));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2 * columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::int64_t bad_row = -1;
    const auto whole = AsType((*read)[2 * i], columns[i]->type(), &bad_row),
               part = AsType((*read)[2 * i + 1], columns[i]->type(), &bad_row);
    ASSERT_TRUE(whole.ok() && part.ok()) << whole.status() << part.status();
    EXPECT_TRUE((*whole)->Equals(columns[i])) << columns[i]->ToString() << (*whole)->ToString();
    EXPECT_TRUE((*part)->Equals(columns[i]->Slice(1))) << columns[i]->ToString() << (*part)->ToString();
    EXPECT_TRUE((*whole)->ValidateFull().ok());
  }
}

TEST(TableBlock, BytesMayBeAbsent) {
  const std::vector<std::string_view> rows = {"one", {}, std::string_view("", 0), "three"};
  TableWriter table;
  table.AddInts({7, 8});
  table.AddBytes(rows);
  table.AddInts({});
  const auto read = ReadTable(Written(table));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].Ints("numbers").ValueOrDie()[1], 8);
  const auto& bytes = static_cast<const arrow::LargeBinaryArray&>(*(*read)[1].values);
  EXPECT_EQ(bytes.GetView(0), "one");
  EXPECT_TRUE(bytes.IsNull(1));
  EXPECT_FALSE(bytes.IsNull(2));
  EXPECT_EQ(bytes.GetView(3), "three");
  EXPECT_TRUE((*read)[2].Ints("none").ValueOrDie().empty());
  EXPECT_FALSE((*read)[1].Ints("bytes").ok());
}

TEST(TableBlock, ValuesThatDoNotFitNameThemselves) {
  TableWriter table;
  table.AddInts({1, 300, 2});
  const auto read = ReadTable(Written(table));
  std::int64_t bad_row = -1;
  const auto narrow = AsType((*read)[0], arrow::int8(), &bad_row);
  ASSERT_FALSE(narrow.ok());
  EXPECT_EQ(bad_row, 1);
  EXPECT_EQ(narrow.status().message(), "300 is not of the declared type int8");
  EXPECT_FALSE(AsType((*read)[0], arrow::utf8(), &bad_row).ok());
  EXPECT_TRUE(AsType((*read)[0], arrow::float64(), &bad_row).ok());
  EXPECT_TRUE(AsType((*read)[0], arrow::decimal128(10, 2), &bad_row).ok());
}

TEST(TableBlock, DamagedBlocksAreRefusedOrWellFormed) {
  TableWriter table;
  ASSERT_TRUE(table.AddColumn(Column<arrow::StringBuilder, std::string>({"abc", "é", ""})).ok());
  ASSERT_TRUE(table.AddColumn(Column<arrow::Int64Builder, std::int64_t>({1, 2, 3})).ok());
  const auto good = Written(table);
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto damaged = arrow::AllocateBuffer(good->size()).ValueOrDie();
    std::memcpy(damaged->mutable_data(), good->data(), static_cast<std::size_t>(good->size()));
    for (int flips = 0; flips < 3; ++flips)
      damaged->mutable_data()[random() % static_cast<std::size_t>(good->size())] = static_cast<std::uint8_t>(random());
    const auto read = ReadTable(std::shared_ptr<arrow::Buffer>(std::move(damaged)));
    if (!read.ok()) {
      ++refused;
      continue;
    }
    for (const TableColumn& column : *read) {
      ASSERT_TRUE(column.values->ValidateFull().ok());
      std::int64_t bad_row = 0;
      for (const auto& type : {arrow::int64(), arrow::utf8(), arrow::decimal128(5, 1)}) {
        const auto typed = AsType(column, type, &bad_row);
        if (typed.ok()) ASSERT_TRUE((*typed)->ValidateFull().ok());
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace headrace::data::python
