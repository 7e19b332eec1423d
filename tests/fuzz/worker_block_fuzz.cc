// What a hostile Python worker may put into its arena: batch, table and array blocks and error reports.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "columnar/value_column.h"
#include "data/python/array_block.h"
#include "data/python/batch_block.h"
#include "data/python/table_block.h"
#include "data/python/worker_error.h"

namespace {

/// A table block: whatever is accepted must be well formed, as it is and as any type.
void ReadAsTable(const std::shared_ptr<arrow::Buffer>& bytes) {
  using namespace headrace::data::python;
  const auto columns = ReadTable(bytes);
  if (!columns.ok()) return;
  const std::shared_ptr<arrow::DataType> types[] = {arrow::int64(),
                                                    arrow::int8(),
                                                    arrow::float64(),
                                                    arrow::utf8(),
                                                    arrow::binary(),
                                                    arrow::timestamp(arrow::TimeUnit::NANO, "UTC"),
                                                    arrow::decimal128(5, 1),
                                                    arrow::list(arrow::int64()),
                                                    arrow::struct_({arrow::field("a", arrow::utf8())})};
  for (const TableColumn& column : *columns) {
    if (!column.values->ValidateFull().ok()) std::abort();
    if (column.rows() > 1000) continue;
    for (const auto& type : types) {
      std::int64_t bad_row = 0;
      const auto typed = AsType(column, type, &bad_row);
      if (typed.ok() && !(*typed)->ValidateFull().ok()) std::abort();
    }
  }
}

/// An array block, as its own rows and columns say it: whatever is accepted must be well formed.
void ReadAsArrays(const std::shared_ptr<arrow::Buffer>& bytes, std::uint8_t choice) {
  using namespace headrace::data::python;
  const std::shared_ptr<arrow::DataType> types[] = {arrow::int64(), arrow::utf8(), arrow::boolean(), arrow::large_binary(),
                                                    arrow::decimal128(5, 1)};
  std::uint64_t counts[2] = {0, 0};
  if (bytes->size() < static_cast<std::int64_t>(sizeof(counts))) return;
  std::memcpy(counts, bytes->data(), sizeof(counts));
  arrow::FieldVector fields;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(counts[1], 8); ++i) fields.push_back(arrow::field("a", types[(choice + i) % 5]));
  const auto arrays = ReadArrays(bytes, fields, static_cast<std::int64_t>(std::min<std::uint64_t>(counts[0], 1 << 20)));
  if (!arrays.ok()) return;
  for (const auto& array : *arrays)
    if (!array->ValidateFull().ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::data::python;
  if (size == 0) return 0;
  const std::uint8_t choice = data[0];
  ++data;
  --size;
  (void)DecodeWorkerError({reinterpret_cast<const char*>(data), size}, "stage");
  auto allocated = arrow::AllocateBuffer(static_cast<std::int64_t>(size));
  if (!allocated.ok()) return 0;
  std::shared_ptr<arrow::Buffer> bytes = std::move(*allocated);
  if (size > 0) std::memcpy(bytes->mutable_data(), data, size);
  ReadAsTable(bytes);
  ReadAsArrays(bytes, choice);
  BlockExpectation expectation;
  expectation.key = (choice & 1) != 0;
  expectation.states = (choice & 2) != 0 ? (choice >> 2) % 8 : -1;
  auto result = ReadBlock(bytes, expectation);
  if (!result.ok()) return 0;
  // What is accepted must be well formed to the last byte, and printable.
  if (!result->batch.records()->ValidateFull().ok()) std::abort();
  auto reader = headrace::columnar::ValueRowReader::Make(result->batch);
  if (!reader.ok()) return 0;
  for (std::int64_t row = 0; row < result->batch.num_rows() && row < 64; ++row) {
    std::string text;
    (void)reader->AppendRowJson(row, &text);
    (void)reader->RowRepr(row);
  }
  return 0;
}
