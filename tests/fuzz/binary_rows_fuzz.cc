#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "data/format/avro_rows.h"
#include "data/format/protobuf_rows.h"

using namespace headrace::data::format;

namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> Columns() {
  const auto entry = arrow::struct_({field("key", arrow::utf8()), field("value", arrow::int64())});
  return arrow::schema({field("a", arrow::int64()), field("s", arrow::utf8()), field("d", arrow::decimal128(10, 2)),
                        field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), field("l", arrow::list(arrow::int32())),
                        field("m", arrow::list(entry)),
                        field("p", arrow::struct_({field("a", arrow::int8()), field("s", arrow::utf8())}))});
}

constexpr char kAvro[] =
    R"({"type":"record","name":"R","fields":[{"name":"a","type":["null","long","string"]},{"name":"skip","type":["null","R"]},
  {"name":"s","type":"string"},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
  {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"l","type":{"type":"array","items":"int"}},
  {"name":"m","type":{"type":"map","values":"long"}},{"name":"n","type":{"type":"array","items":"null"}},
  {"name":"p","type":["null",{"type":"record","name":"P","fields":[{"name":"a","type":"int"},{"name":"s","type":{"type":"enum","name":"E","symbols":["x"]}}]}]}]})";
constexpr char kProto[] = R"(syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
  enum E { X = 0; Y = 5; } message P { sint32 a = 1; E s = 2; }
  message R { google.protobuf.Int64Value a = 1; string s = 2; string d = 3; google.protobuf.Timestamp t = 4; repeated int32 l = 5; map<string, int64> m = 6; P p = 7; })";

/// The decoder's columns are whole, and hold the good rows alone when the bytes were refused.
template <typename Decoder, typename Plan>
void Check(Decoder* decoder, Plan* plan, std::string_view bytes) {
  const std::int64_t before = decoder->num_rows();
  const bool taken = decoder->Append(bytes, plan).ok();
  if (decoder->num_rows() != before + (taken ? 1 : 0)) std::abort();
  if (!decoder->Finish().ValueOrDie()->ValidateFull().ok()) std::abort();
}

/// So that one template fits both decoders.
struct Avro {
  std::unique_ptr<AvroRowDecoder> rows = AvroRowDecoder::Make(Columns()).ValueOrDie();
  auto Append(std::string_view bytes, const AvroPlan* plan) { return rows->Append(bytes, *plan); }
  auto num_rows() const { return rows->num_rows(); }
  auto Finish() { return rows->Finish(); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static Avro avro;
  static const auto avro_plan = avro.rows->PlanFor(AvroSchema::Parse(kAvro).ValueOrDie()).ValueOrDie();
  Check(&avro, avro_plan.get(), bytes);
  static const auto protobuf = ProtobufRowDecoder::Make(Columns()).ValueOrDie();
  static const auto proto = ProtobufSchema::Parse(kProto, {}).ValueOrDie();
  static const auto protobuf_plan = protobuf->PlanFor(proto, *proto->MessageNamed("R")).ValueOrDie();
  Check(protobuf.get(), protobuf_plan.get(), bytes);
  if (bytes.starts_with('{') || bytes.starts_with('[')) {
    const auto schema = AvroSchema::Parse(bytes);
    if (schema.ok()) (void)avro.rows->PlanFor(*schema);
  }
  if (bytes.starts_with("syntax")) {
    const auto schema = ProtobufSchema::Parse(bytes, {});
    if (schema.ok() && (*schema)->MessageAt({0}) != nullptr) (void)protobuf->PlanFor(*schema, *(*schema)->MessageAt({0}));
  }
  return 0;
}
