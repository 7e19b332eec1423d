#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Lays Arrow arrays out as an array block (docs/formats/worker.md), straight from their buffers; one that is added twice lies
/// there once. Flat types only: at most a validity, an offsets and a data buffer.
class ArrayWriter final : public TripBody {
 public:
  explicit ArrayWriter(std::int64_t rows) : rows_(rows) {}
  /// An array of `rows` values, which is kept.
  Status Add(std::shared_ptr<arrow::Array> array);
  std::uint64_t size() const override;
  /// `out` is 8-byte aligned.
  void Write(std::uint8_t* out) const override;

 private:
  /// How one buffer gets from an array's slice to the block.
  struct Part {
    enum class Kind { kNone, kBytes, kBits, kOffsets32, kOffsets64 } kind = Kind::kNone;
    const std::uint8_t* from = nullptr;  ///< bits: of the array's start, `first` bits on
    std::int64_t first = 0;              ///< bit, or what is taken from offsets
    std::int64_t count = 0;              ///< bytes, bits or offsets
    std::uint64_t bytes() const;
    void Write(std::uint8_t* out) const;
  };
  struct Column {
    std::shared_ptr<arrow::Array> array;
    std::size_t same = 0;  ///< the column that has its bytes, itself for most
    Part parts[3];
  };
  std::uint64_t HeadBytes() const;
  std::int64_t rows_;
  std::vector<Column> columns_;
};

/// Takes an array block of these types and so many rows apart. `bytes` is private memory, 64-byte aligned, and shared by the
/// result. Every place, length, offset and UTF-8 byte is checked: the writer is not trusted.
Result<arrow::ArrayVector> ReadArrays(const std::shared_ptr<arrow::Buffer>& bytes, const arrow::FieldVector& fields, std::int64_t rows);

}  // namespace headrace::data::python
