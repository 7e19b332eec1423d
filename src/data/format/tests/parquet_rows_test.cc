#include "data/format/parquet_rows.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstring>

#include "data/format/json_rows.h"
#include "data/format/json_writer.h"
#include "data/format/parquet_writer.h"

namespace headrace::data::format {
namespace {

using arrow::field;
using SchemaPtr = std::shared_ptr<arrow::Schema>;

SchemaPtr Wide() {
  return arrow::schema({field("i", arrow::int32()), field("s", arrow::utf8()), field("d", arrow::decimal128(10, 2)),
                        field("t", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")), field("l", arrow::list(arrow::int16())),
                        field("p", arrow::struct_({field("x", arrow::float64()), field("y", arrow::utf8())}))});
}

/// A file with the rows of JSON documents, a row group for each of `groups`.
std::string FileOf(const SchemaPtr& schema, const std::vector<std::vector<std::string>>& groups) {
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = ParquetWriter::Open(*schema, "snappy", 1, out).ValueOrDie();
  for (const auto& group : groups) {
    const auto rows = JsonRowDecoder::Make(schema).ValueOrDie();
    for (const std::string& document : group) EXPECT_TRUE(rows->Append(document).ok()) << rows->Append(document);
    EXPECT_TRUE(writer->Write(*rows->Finish().ValueOrDie()).ok());
  }
  EXPECT_TRUE(writer->Close().ok());
  return out->Finish().ValueOrDie()->ToString();
}

/// The rows as JSON, a line each, or why there are none.
std::string Read(const std::string& file, const SchemaPtr& schema, std::int64_t begin = 0, std::int64_t end = -1, std::int64_t skip = 0) {
  auto rows = ParquetRows::Open(std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file)), "f", begin, end, skip, schema);
  if (!rows.ok()) return rows.status().message();
  std::string out;
  while (true) {
    const auto batch = (*rows)->Next();
    if (!batch.ok()) return out + batch.status().message();
    if (*batch == nullptr) return out;
    EXPECT_TRUE((*batch)->ValidateFull().ok());
    const auto writer = JsonRowWriter::Make(*batch).ValueOrDie();
    for (std::int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      EXPECT_TRUE(writer.Append(row, &out).ok());
      out += '\n';
    }
  }
}

std::string ReadOne(const std::shared_ptr<arrow::DataType>& from, const std::string& value, const std::shared_ptr<arrow::Field>& to) {
  return Read(FileOf(arrow::schema({field("c", from)}), {{"{\"c\":" + value + "}"}}), arrow::schema({to}));
}

TEST(ParquetRows, WhatWasWrittenIsRead) {
  const std::string row = R"({"i":-7,"s":"é","d":"-1.50","t":"2024-02-29T12:00:00.000001+00:00","l":[1,null],"p":{"x":1.5,"y":null}})";
  const std::string none = R"({"i":null,"s":null,"d":null,"t":null,"l":null,"p":null})";
  EXPECT_EQ(Read(FileOf(Wide(), {{row, "{}"}, {row}}), Wide()), row + "\n" + none + "\n" + row + "\n");
}

TEST(ParquetRows, PartsGiveEachRowGroupOnceAndSkipGoesOn) {
  const auto schema = arrow::schema({field("n", arrow::int64())});
  const std::string file = FileOf(schema, {{R"({"n":1})", R"({"n":2})"}, {R"({"n":3})"}, {R"({"n":4})"}});
  const auto size = static_cast<std::int64_t>(file.size());
  const std::string all = Read(file, schema);
  EXPECT_EQ(all, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n");
  for (std::int64_t cut = 0; cut <= size; ++cut) ASSERT_EQ(Read(file, schema, 0, cut) + Read(file, schema, cut, -1), all) << cut;
  for (std::int64_t skip = 0; skip <= 4; ++skip) EXPECT_EQ(Read(file, schema, 0, -1, skip), all.substr(static_cast<std::size_t>(skip) * 8));
}

TEST(ParquetRows, ColumnsByNameWidenAndMayBeAbsent) {
  EXPECT_EQ(ReadOne(arrow::int32(), "7", field("c", arrow::int64())), "{\"c\":7}\n");
  EXPECT_EQ(ReadOne(arrow::float32(), "1.5", field("c", arrow::float64())), "{\"c\":1.5}\n");
  EXPECT_EQ(ReadOne(arrow::decimal128(5, 1), "\"1.5\"", field("c", arrow::decimal128(10, 2))), "{\"c\":\"1.50\"}\n");
  EXPECT_EQ(ReadOne(arrow::int32(), "7", field("other", arrow::int64())), "{\"other\":null}\n");
}

TEST(ParquetRows, WrongTypesNameFileAndColumn) {
  const auto refusal = [](const std::string& read, const std::string& text) {
    EXPECT_NE(read.find("file \"f\", column \"c\""), std::string::npos) << read;
    EXPECT_NE(read.find(text), std::string::npos) << read;
  };
  refusal(ReadOne(arrow::utf8(), "\"7\"", field("c", arrow::int64())), "does not go into");
  refusal(ReadOne(arrow::int64(), "7", field("c", arrow::int32())), "does not go into");
  refusal(ReadOne(arrow::list(arrow::utf8()), "[\"x\"]", field("c", arrow::list(arrow::int8()))), "does not go into");
  refusal(ReadOne(arrow::int64(), "null", field("c", arrow::int64(), false)), "row 0");
  const std::string absent = ReadOne(arrow::int64(), "1", field("d", arrow::int64(), false));
  EXPECT_NE(absent.find("the file does not have it"), std::string::npos) << absent;
}

TEST(ParquetRows, AFileThatIsCutOffOrNoneIsRefused) {
  const std::string file = FileOf(Wide(), {{R"({"i":1,"s":"some text","l":[1,2,3]})"}});
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string read = Read(file.substr(0, size), Wide());
    ASSERT_NE(read.find("file \"f\" cannot be read as Parquet"), std::string::npos) << size << ": " << read;
  }
  EXPECT_NE(Read(std::string(4096, 'x'), Wide()).find("cannot be read as Parquet"), std::string::npos);
}

TEST(ParquetRows, AFooterThatClaimsTooMuchIsRefused) {
  std::string file = FileOf(Wide(), {{R"({"i":1})"}});
  // The footer's length stands before the last mark.
  const std::uint32_t claimed = 0x7FFFFFFF;
  std::memcpy(file.data() + file.size() - 8, &claimed, 4);
  EXPECT_NE(Read(file, Wide()).find("cannot be read as Parquet"), std::string::npos);
  // A footer whose first list claims 2^31 - 1 elements: over the bound of containers, and nothing is made room for.
  std::string footer("\x15\x02\x19\xfc\xff\xff\xff\xff\x07", 9);
  const auto length = static_cast<std::uint32_t>(footer.size());
  std::string made = "PAR1" + footer + std::string(reinterpret_cast<const char*>(&length), 4) + "PAR1";
  EXPECT_NE(Read(made, Wide()).find("cannot be read as Parquet"), std::string::npos);
}

}  // namespace
}  // namespace headrace::data::format
