#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "data/format/csv_rows.h"
#include "data/format/json_rows.h"
#include "data/format/json_writer.h"

using namespace headrace;
using namespace headrace::data::format;

namespace {

std::shared_ptr<arrow::Schema> Schema() {
  using arrow::field;
  const auto point = arrow::struct_({field("x", arrow::float64()), field("y", arrow::int32(), false)});
  return arrow::schema({field("i", arrow::int64()), field("s", arrow::utf8()), field("b", arrow::boolean()), field("u", arrow::uint8()),
                        field("d", arrow::decimal128(10, 2)), field("bin", arrow::binary()), field("day", arrow::date32()),
                        field("clock", arrow::time64(arrow::TimeUnit::MICRO)), field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")),
                        field("p", point), field("l", arrow::list(arrow::int16())), field("ps", arrow::list(point)),
                        field("v", arrow::large_binary())});
}

/// The rows as text; ends the process when the columns are not whole.
std::string Written(JsonRowDecoder* decoder) {
  const auto batch = decoder->Finish().ValueOrDie();
  if (!batch->ValidateFull().ok()) std::abort();
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  std::string text;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row)
    if (!writer.Append(row, &text).ok()) std::abort();
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto decoder = JsonRowDecoder::Make(Schema()).ValueOrDie();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const std::string good = R"({"i":1,"s":"x","l":[1],"p":{"x":1.0,"y":2}})";
  if (!decoder->Append(good).ok()) std::abort();
  const std::string alone = Written(decoder.get());
  // A refused record leaves nothing behind; an accepted one reads back as it was written.
  if (!decoder->Append(good).ok()) std::abort();
  if (!decoder->Append(bytes).ok()) {
    if (Written(decoder.get()) != alone) std::abort();
  } else {
    const std::string once = Written(decoder.get());
    const std::string row = once.substr(alone.size());
    if (!decoder->Append(row).ok() || Written(decoder.get()) != row) std::abort();
  }
  const auto csv =
      CsvRowDecoder::Make(arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}), {}).ValueOrDie();
  if (csv->SetColumns({"b", "x", "a"}).ok()) (void)csv->Append(bytes);
  if (!csv->Finish().ValueOrDie()->ValidateFull().ok()) std::abort();
  return 0;
}
