#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Lays Arrow arrays out as an array block (docs/formats/worker.md), straight from their buffers; a column that comes twice lies
/// there once. Flat types only: at most a validity, an offsets and a data buffer.
class ArrayWriter final : public TripBody {
 public:
  /// Columns in parts that come behind each other: columns[i][p], all of a part with as many rows. The arrays are kept.
  static Result<ArrayWriter> Make(std::vector<arrow::ArrayVector> columns, std::int64_t rows);
  std::uint64_t size() const override;
  /// `out` is 8-byte aligned.
  void Write(std::uint8_t* out) const override;

 private:
  static constexpr std::size_t kBuffers = 3;
  struct Column {
    arrow::ArrayVector parts;
    enum class Kind { kBytes, kBits, kText, kLargeText } kind = Kind::kBytes;
    std::int64_t width = 0;  ///< of kBytes
    std::int64_t nulls = 0;
    std::int64_t data_bytes = 0;  ///< of texts
    std::size_t same = 0;         ///< the column that has its bytes, itself for most
    std::size_t buffers() const { return kind == Kind::kText || kind == Kind::kLargeText ? 3 : 2; }
  };
  explicit ArrayWriter(std::int64_t rows) : rows_(rows) {}
  Status Add(arrow::ArrayVector parts);
  std::uint64_t HeadBytes() const;
  std::uint64_t BufferBytes(const Column& column, std::size_t buffer) const;
  static void WriteBuffer(const Column& column, std::size_t buffer, std::uint8_t* out);
  std::int64_t rows_;
  std::vector<Column> columns_;
};

/// Takes an array block of these types and so many rows apart. `bytes` is private memory, 64-byte aligned, and shared by the
/// result. Every place, length, offset and UTF-8 byte is checked: the writer is not trusted.
Result<arrow::ArrayVector> ReadArrays(const std::shared_ptr<arrow::Buffer>& bytes, const arrow::FieldVector& fields, std::int64_t rows);

}  // namespace headrace::data::python
