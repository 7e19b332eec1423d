#include <arrow/array.h>
#include <arrow/type.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/connector/postgres/postgres_values.h"

using namespace headrace::data::connector;

namespace {

const std::vector<PostgresColumn>& Columns() {
  using arrow::TimeUnit;
  static const std::vector<PostgresColumn> columns = [] {
    std::vector<PostgresColumn> made;
    for (const auto& type : {arrow::boolean(),
                             arrow::int8(),
                             arrow::int16(),
                             arrow::int32(),
                             arrow::int64(),
                             arrow::uint8(),
                             arrow::uint16(),
                             arrow::uint32(),
                             arrow::uint64(),
                             arrow::float32(),
                             arrow::float64(),
                             arrow::utf8(),
                             arrow::binary(),
                             arrow::date32(),
                             arrow::time64(TimeUnit::MICRO),
                             arrow::time64(TimeUnit::NANO),
                             arrow::timestamp(TimeUnit::SECOND),
                             arrow::timestamp(TimeUnit::MILLI, "UTC"),
                             arrow::timestamp(TimeUnit::MICRO, "UTC"),
                             arrow::timestamp(TimeUnit::NANO, "UTC"),
                             arrow::decimal128(10, 2),
                             arrow::decimal128(38, 38)})
      made.push_back(PostgresColumn::Make(type).ValueOrDie());
    return made;
  }();
  return columns;
}

}  // namespace

/// A cell of an answer as every type: what is taken is a whole column, and goes to the server as something that comes back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const headrace::postgres::Rows rows(1, {std::string(reinterpret_cast<const char*>(data), size), std::nullopt});
  for (const PostgresColumn& column : Columns()) {
    const auto decoded = column.Decode(rows, 0);
    if (!decoded.ok()) continue;
    if ((*decoded)->length() != 2 || !(*decoded)->ValidateFull().ok()) std::abort();
    const auto encoded = column.Encode(*(*decoded)->data());
    if (encoded.size() != 2 || encoded[1]) std::abort();
  }
  return 0;
}
