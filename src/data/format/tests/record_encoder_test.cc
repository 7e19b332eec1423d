#include "data/format/record_encoder.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "data/format/json_rows.h"
#include "data/format/record_decoder.h"
#include "data/format/written_schema.h"

namespace headrace::data::format {
namespace {

using arrow::field;
using Format = RecordEncoderOptions::Format;

std::shared_ptr<arrow::RecordBatch> RowsOf(const std::shared_ptr<arrow::Schema>& schema, const std::vector<std::string>& documents) {
  const auto decoder = JsonRowDecoder::Make(schema).ValueOrDie();
  for (const std::string& document : documents) EXPECT_TRUE(decoder->Append(document).ok()) << decoder->Append(document);
  return decoder->Finish().ValueOrDie();
}

std::string JsonOf(const std::shared_ptr<arrow::RecordBatch>& batch) {
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  std::string out;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    EXPECT_TRUE(writer.Append(row, &out).ok());
    out += '\n';
  }
  return out;
}

/// What the rows say when they have been records of `written` (empty: of a schema made of the columns) and are read again.
std::string Again(Format format, const std::shared_ptr<arrow::Schema>& schema, const std::vector<std::string>& documents,
                  std::string written = "") {
  RecordEncoderOptions options;
  options.format = format;
  options.rows = schema;
  options.schema = written;
  auto encoder = RecordEncoder::Make(options);
  if (!encoder.ok()) return "!" + encoder.status().message();
  if (written.empty()) written = (format == Format::kAvro ? AvroSchemaOf(*schema, "Row") : ProtobufSchemaOf(*schema, "Row")).ValueOrDie();
  RecordDecoderOptions reading;
  reading.format = format == Format::kAvro ? RecordFormat::kAvro : RecordFormat::kProtobuf;
  reading.schema = schema;
  reading.writer_schema = written;
  const auto decoder = RecordDecoder::Make(reading).ValueOrDie();
  const auto batch = RowsOf(schema, documents);
  EXPECT_TRUE((*encoder)->Bind(batch).ok());
  std::string refused;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    std::string record;
    const Status status = (*encoder)->Append(row, &record);
    if (!status.ok()) {
      refused += "!" + status.message() + "\n";
      continue;
    }
    const Status read = decoder->Append(record);
    EXPECT_TRUE(read.ok()) << read;
  }
  return JsonOf(decoder->Finish().ValueOrDie().records()) + refused;
}

std::shared_ptr<arrow::Schema> Wide(bool nullable_items) {
  const auto point = arrow::struct_({field("x", arrow::float64()), field("y", arrow::int32(), false)});
  return arrow::schema({field("i", arrow::int64()), field("s", arrow::utf8()), field("b", arrow::boolean()), field("f", arrow::float32()),
                        field("u", arrow::uint32()), field("d", arrow::decimal128(10, 2)), field("bin", arrow::binary()),
                        field("day", arrow::date32()), field("clock", arrow::time64(arrow::TimeUnit::MICRO)),
                        field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), field("n", arrow::timestamp(arrow::TimeUnit::NANO)),
                        field("span", arrow::duration(arrow::TimeUnit::MICRO)), field("p", point),
                        field("l", arrow::list(field("item", arrow::int16(), nullable_items))),
                        field("ps", arrow::list(field("item", point, nullable_items))), field("k", arrow::utf8(), false)});
}

constexpr char kRow[] =
    R"({"i":-9223372036854775808,"s":"a\"b\\c\nd€😀","b":true,"f":1.5,"u":4294967295,"d":"-12.50","bin":"aGVhZA==",)"
    R"("day":"2024-02-29","clock":"23:59:59.000001","t":"2024-02-29T12:30:00.250+00:00","n":"1969-12-31T23:59:59.999999999",)"
    R"("span":"-PT1.5S","p":{"x":0.5,"y":-1},"l":[1,-3],"ps":[{"x":1.0,"y":2},{"x":null,"y":0}],"k":""})";

TEST(RecordEncoder, EveryTypeReadsBackAsWrittenInAvro) {
  const std::string nulls =
      R"({"i":null,"s":null,"b":null,"f":null,"u":null,"d":null,"bin":null,"day":null,"clock":null,"t":null,"n":null,"span":null,"p":null,)"
      R"("l":null,"ps":null,"k":"x"})";
  const std::string empty_lists =
      R"({"i":0,"s":"","b":false,"f":0.0,"u":0,"d":"0.00","bin":"","day":"1970-01-01","clock":"00:00:00","t":"1970-01-01T00:00:00+00:00",)"
      R"("n":"1970-01-01T00:00:00","span":"PT0S","p":{"x":null,"y":0},"l":[],"ps":[null],"k":"y"})";
  EXPECT_EQ(Again(Format::kAvro, Wide(true), {kRow, nulls, empty_lists}), std::string(kRow) + "\n" + nulls + "\n" + empty_lists + "\n");
}

TEST(RecordEncoder, EveryTypeReadsBackAsWrittenInProtobuf) {
  const std::string nulls =
      R"({"i":null,"s":null,"b":null,"f":null,"u":null,"d":null,"bin":null,"day":null,"clock":null,"t":null,"n":null,"span":null,"p":null,)"
      R"("l":[],"ps":[],"k":"x"})";
  const std::string zeros =
      R"({"i":0,"s":"","b":false,"f":0.0,"u":0,"d":"0.00","bin":"","day":"1970-01-01","clock":"00:00:00","t":"1970-01-01T00:00:00+00:00",)"
      R"("n":"1970-01-01T00:00:00","span":"PT0S","p":{"x":null,"y":0},"l":[0],"ps":[{"x":null,"y":0}],"k":""})";
  EXPECT_EQ(Again(Format::kProtobuf, Wide(false), {kRow, nulls, zeros}), std::string(kRow) + "\n" + nulls + "\n" + zeros + "\n");
}

TEST(RecordEncoder, ASchemaOfTheUserTakesWhatGoesIntoIt) {
  const auto rows = arrow::schema({field("a", arrow::int64()), field("e", arrow::utf8()), field("d", arrow::decimal128(9, 2)),
                                   field("t", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  const std::string avro = R"({"type":"record","name":"R","namespace":"n","fields":[
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}, {"name":"a","type":["int","null","long"]},
    {"name":"d","type":{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9,"scale":2}},
    {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}}, {"name":"new","type":"string","default":"x"},
    {"name":"none","type":["null","R"],"default":null}]})";
  EXPECT_EQ(Again(Format::kAvro, rows,
                  {R"({"a":5000000000,"e":"B","d":"-1.01","t":1500})", R"({"a":null,"e":"C","d":"1","t":1})",
                   R"({"a":1,"e":"A","d":null,"t":1})"},
                  avro),
            R"({"a":5000000000,"e":"B","d":"-1.01","t":"1970-01-01T00:00:01.500+00:00"})"
            "\n!column \"e\": \"C\" is no symbol of the schema's n.E\n!column \"d\" is null, but the schema's type n.F has no null\n");
  const std::string proto = R"(syntax = "proto2"; import "google/protobuf/wrappers.proto";
    message R { enum E { A = 0; B = -1; } required E e = 9; optional google.protobuf.Int64Value a = 2; optional string d = 3; required sfixed64 t = 1; })";
  EXPECT_EQ(Again(Format::kProtobuf, rows, {R"({"a":-7,"e":"B","d":"-1.01","t":1500})", R"({"a":null,"e":"A","d":null,"t":null})"}, proto),
            R"({"a":-7,"e":"B","d":"-1.01","t":"1970-01-01T00:00:01.500+00:00"})"
            "\n!column \"t\" is null, but the schema's field cannot be absent; declare it optional\n");
}

TEST(RecordEncoder, ASchemaIntoWhichTheRowsDoNotGoIsRefused) {
  const auto rows = arrow::schema({field("a", arrow::int64()), field("b", arrow::utf8())});
  const auto record = [](const std::string& fields) { return R"({"type":"record","name":"R","fields":[)" + fields + "]}"; };
  const auto refusal = [&](Format format, const std::string& schema) { return Again(format, rows, {}, schema); };
  const std::string head = "!the rows do not go into the schema: ";
  EXPECT_EQ(refusal(Format::kAvro, record(R"({"name":"a","type":"long"})")), head + "the schema's record R has no field for column \"b\"");
  EXPECT_EQ(refusal(Format::kAvro, record(R"({"name":"a","type":"string"},{"name":"b","type":"string"})")),
            head + "column \"a\": int64 does not go into the schema's type string");
  EXPECT_EQ(refusal(Format::kAvro, record(R"({"name":"a","type":"long"},{"name":"b","type":"string"},{"name":"c","type":"int"})")),
            head + "the schema's record R has a field \"c\" without null or default, and the rows have no such column");
  EXPECT_EQ(refusal(Format::kProtobuf, "syntax = \"proto3\"; message R { string a = 1; string b = 2; }"),
            head + "column \"a\": int64 does not go into the schema's type string");
  EXPECT_EQ(
      refusal(Format::kProtobuf, "syntax = \"proto2\"; message R { optional int64 a = 1; required string b = 2; required int32 c = 3; }"),
      head + "the message R requires the field \"c\", and the rows have no such column");
  EXPECT_EQ(
      Again(Format::kAvro, rows, {R"({"a":5000000000,"b":"x"})"}, record(R"({"name":"a","type":"int"},{"name":"b","type":"string"})")),
      "!column \"a\": a value does not fit the schema's type int\n");
}

}  // namespace
}  // namespace headrace::data::format
