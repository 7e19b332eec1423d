#include "data/format/csv_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "data/format/json_writer.h"

namespace headrace::data::format {
namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> Schema() {
  return arrow::schema({field("n", arrow::int64()), field("s", arrow::utf8()), field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")),
                        field("d", arrow::decimal128(9, 2))});
}

std::string Rows(CsvRowDecoder* decoder) {
  const auto batch = decoder->Finish().ValueOrDie();
  EXPECT_TRUE(batch->ValidateFull().ok());
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  std::string out;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    EXPECT_TRUE(writer.Append(row, &out).ok());
    out += '\n';
  }
  return out;
}

TEST(CsvRows, ColumnsGoByNameAndQuotesHoldAnything) {
  const auto decoder = CsvRowDecoder::Make(Schema(), {}).ValueOrDie();
  ASSERT_TRUE(decoder->SetColumns({"s", "extra", "n", "t"}).ok());
  for (const char* record : {"a,x,1,2024-02-29", "\"a \"\"b\"\", c\nd\",\"\",2,", "\"\",,,", ",,-3,2024-02-29T10:00:00Z"})
    EXPECT_TRUE(decoder->Append(record).ok()) << record;
  EXPECT_EQ(Rows(decoder.get()),
            "{\"n\":1,\"s\":\"a\",\"t\":\"2024-02-29T00:00:00+00:00\",\"d\":null}\n"
            "{\"n\":2,\"s\":\"a \\\"b\\\", c\\nd\",\"t\":null,\"d\":null}\n"
            "{\"n\":null,\"s\":\"\",\"t\":null,\"d\":null}\n"
            "{\"n\":-3,\"s\":null,\"t\":\"2024-02-29T10:00:00+00:00\",\"d\":null}\n");
}

TEST(CsvRows, BadRecordsLeaveNothingBehind) {
  const auto decoder = CsvRowDecoder::Make(Schema(), {';', "NULL"}).ValueOrDie();
  ASSERT_TRUE(decoder->SetColumns({"n", "s", "d"}).ok());
  for (const char* record : {"x;a;1", "1;a", "1;a;2;3", "1;\"a;2", "1;\"a\"b;2", "1;a;1.234", "1;\xff;2"})
    EXPECT_FALSE(decoder->Append(record).ok()) << record;
  EXPECT_TRUE(decoder->Append("NULL;\"NULL\";1.5").ok());
  EXPECT_EQ(Rows(decoder.get()), "{\"n\":null,\"s\":\"NULL\",\"t\":null,\"d\":\"1.50\"}\n");
  EXPECT_EQ(decoder->Append("x;a;1").message(), "column \"n\": x does not fit int64");
}

TEST(CsvRows, MissingColumnsThatMayNotBeNullAreRefused) {
  const auto decoder = CsvRowDecoder::Make(arrow::schema({field("n", arrow::int64(), false)}), {}).ValueOrDie();
  EXPECT_FALSE(decoder->SetColumns({"a", "b"}).ok());
  EXPECT_FALSE(decoder->SetColumns({"n", "n"}).ok());
  ASSERT_TRUE(decoder->SetColumns({"n"}).ok());
  EXPECT_FALSE(decoder->Append("").ok());
}

TEST(CsvRows, WhatIsWrittenReadsBack) {
  const auto decoder = CsvRowDecoder::Make(Schema(), {}).ValueOrDie();
  ASSERT_TRUE(decoder->SetColumns({"n", "s", "t", "d"}).ok());
  const std::vector<std::string> records = {"1,\"a,\"\"b\",2024-02-29T10:00:00+00:00,1.50", ",\"\",,", "-7,plain,,-0.01"};
  for (const std::string& record : records) ASSERT_TRUE(decoder->Append(record).ok());
  const auto batch = decoder->Finish().ValueOrDie();
  auto writer = CsvRowWriter::Make(batch, /*milliseconds=*/false).ValueOrDie();
  std::string header;
  writer.AppendHeader(&header);
  EXPECT_EQ(header, "n,s,t,d");
  for (std::size_t row = 0; row < records.size(); ++row) {
    std::string out;
    ASSERT_TRUE(writer.Append(static_cast<std::int64_t>(row), &out).ok());
    EXPECT_EQ(out, records[row]);
  }
}

}  // namespace
}  // namespace headrace::data::format
