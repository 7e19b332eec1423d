#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/format/avro_file.h"
#include "data/format/parquet_rows.h"

using namespace headrace::data::format;

namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> Columns() {
  const auto entry = arrow::struct_({field("key", arrow::utf8()), field("value", arrow::int64())});
  return arrow::schema({field("i", arrow::int64()), field("s", arrow::utf8()), field("d", arrow::decimal128(10, 2)),
                        field("b", arrow::boolean()), field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")),
                        field("f", arrow::float64()), field("bin", arrow::binary()), field("day", arrow::date32()),
                        field("l", arrow::list(arrow::int32())), field("m", arrow::list(entry)),
                        field("p", arrow::struct_({field("x", arrow::int8()), field("s", arrow::utf8())}))});
}

/// Whatever comes out are whole columns.
template <typename Next>
void ReadAll(Next next) {
  for (int batches = 0; batches < 64; ++batches) {
    const auto batch = next();
    if (!batch.ok() || *batch == nullptr) return;
    if (!(*batch)->ValidateFull().ok()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto columns = Columns();
  const auto file = [&] {
    return std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(data, static_cast<std::int64_t>(size)));
  };
  if (const auto rows = ParquetRows::Open(file(), "fuzz", 0, -1, 0, columns); rows.ok()) ReadAll([&] { return (*rows)->Next(); });
  if (const auto rows = AvroFileRows::Open(file(), "fuzz", 0, columns); rows.ok())
    ReadAll([&] { return (*rows)->Next([](std::int64_t, const std::string&, std::string_view) { return headrace::Status::OK(); }); });
  return 0;
}
