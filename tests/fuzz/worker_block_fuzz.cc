// What a hostile Python worker may put into its arena: batch blocks and error reports.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "columnar/value_column.h"
#include "data/python/batch_block.h"
#include "data/python/worker_error.h"

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
