#include "bench/support/row_digest.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <cstring>

namespace headrace::bench {
namespace {

std::size_t WidthOf(const arrow::DataType& type) { return type.id() == arrow::Type::DECIMAL128 ? 2 : 1; }

/// The words of one value that is not null.
Status Fill(const arrow::ArrayData& data, std::int64_t row, std::uint64_t* out) {
  switch (data.type->id()) {
    case arrow::Type::INT64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
    case arrow::Type::UINT64:
    case arrow::Type::DOUBLE:
      *out = data.GetValues<std::uint64_t>(1)[row];
      return Status::OK();
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      *out = static_cast<std::uint64_t>(static_cast<std::int64_t>(data.GetValues<std::int32_t>(1)[row]));
      return Status::OK();
    case arrow::Type::BOOL:
      *out = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + row) ? 1 : 0;
      return Status::OK();
    case arrow::Type::DECIMAL128:
      std::memcpy(out, data.buffers[1]->data() + (data.offset + row) * 16, 16);
      return Status::OK();
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      const auto* offsets = data.GetValues<std::int32_t>(1);
      const char* bytes = reinterpret_cast<const char*>(data.buffers[2]->data());
      *out = RowDigest::OfText(bytes + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row]));
      return Status::OK();
    }
    default:
      return Status::NotImplemented("a digest of ", data.type->ToString());
  }
}

}  // namespace

std::string RowDigest::ToString() const {
  char text[40];
  std::snprintf(text, sizeof text, "%016lx%016lx", static_cast<unsigned long>(high_), static_cast<unsigned long>(low_));
  return text;
}

Result<RowWords> WordsOf(const arrow::RecordBatch& batch) {
  std::vector<int> columns;
  RowWords rows;
  for (int c = 0; c < batch.num_columns(); ++c) {
    if (batch.schema()->field(c)->name().starts_with("__")) continue;
    columns.push_back(c);
    rows.width += WidthOf(*batch.schema()->field(c)->type());
  }
  rows.words.assign(rows.width * static_cast<std::size_t>(batch.num_rows()), RowDigest::kNullWord);
  std::size_t at = 0;
  for (const int c : columns) {
    const arrow::ArrayData& data = *batch.column_data(c);
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      if (data.GetNullCount() > 0 && !arrow::bit_util::GetBit(data.buffers[0]->data(), data.offset + row)) continue;
      HR_RETURN_NOT_OK(Fill(data, row, rows.words.data() + static_cast<std::size_t>(row) * rows.width + at));
    }
    at += WidthOf(*data.type);
  }
  return rows;
}

}  // namespace headrace::bench
