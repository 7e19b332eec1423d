#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "columnar/value_column.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Lays a batch out as docs/formats/worker.md says: measure first, then write once into shared memory, column by column,
/// without a step per row for fixed-width and variable columns alike.
class BlockWriter {
 public:
  /// `batch` and `reduce` (null for stateless trips) must outlive the writer. Invalid when the value column has no known form.
  static Result<BlockWriter> Make(const columnar::DataBatch& batch, const ReduceInput* reduce);
  std::uint64_t size() const { return size_; }
  /// Writes exactly size() bytes; `out` is 8-byte aligned.
  void Write(std::uint8_t* out) const;

 private:
  struct Column {
    std::uint32_t role, form;
    std::uint64_t rows;
    std::uint64_t offsets_at = 0, data_at = 0, data_length = 0, validity_at = 0;
  };
  BlockWriter() = default;
  void WriteValues(const Column& column, std::uint8_t* out) const;
  void WriteStates(const Column& column, std::uint8_t* out) const;

  std::shared_ptr<arrow::Array> values_;
  const ReduceInput* reduce_ = nullptr;
  std::vector<Column> columns_;
  std::uint64_t size_ = 0;
};

/// What a block must hold to be an answer to a trip.
struct BlockExpectation {
  bool key = false;          ///< a key column of as many rows
  std::int64_t rows = -1;    ///< -1 = any
  std::int64_t states = -1;  ///< rows of the state column; -1 = no state column
};

/// Takes a block apart. `bytes` is private memory (nobody changes it any more), 64-byte aligned; the result shares it.
/// Every offset, length, form and UTF-8 byte is checked: the writer is not trusted.
Result<StageResult> ReadBlock(const std::shared_ptr<arrow::Buffer>& bytes, const BlockExpectation& expectation);

}  // namespace headrace::data::python
