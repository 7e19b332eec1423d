#include "data/state/row_keys.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "columnar/key_encoding.h"
#include "columnar/row_hash.h"

namespace headrace::data::state {

namespace {

constexpr char kTuple = 0x50, kAwareTime = 0x60, kNaiveTime = 0x61, kDate = 0x62, kTimeOfDay = 0x63, kSpan = 0x64;

void AppendOrdered(char tag, std::int64_t value, std::string* out) {
  out->push_back(tag);
  const std::uint64_t bits = static_cast<std::uint64_t>(value) ^ (1ULL << 63);
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(bits >> shift));
}

std::int64_t Micros(arrow::TimeUnit::type unit, std::int64_t ticks) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return ticks * 1'000'000;
    case arrow::TimeUnit::MILLI:
      return ticks * 1000;
    case arrow::TimeUnit::MICRO:
      return ticks;
    case arrow::TimeUnit::NANO:
      return ticks / 1000 - (ticks % 1000 < 0 ? 1 : 0);
  }
  return ticks;
}

template <typename ArrayType>
auto At(const arrow::Array& column, std::int64_t row) {
  return static_cast<const ArrayType&>(column).GetView(row);
}

Status AppendKey(const arrow::Array& column, std::int64_t row, std::string* out) {
  if (column.IsNull(row)) {
    columnar::AppendKeyNone(out);
    return Status::OK();
  }
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      columnar::AppendKeyBool(At<arrow::BooleanArray>(column, row), out);
      break;
    case arrow::Type::INT8:
      columnar::AppendKeyInt(At<arrow::Int8Array>(column, row), out);
      break;
    case arrow::Type::INT16:
      columnar::AppendKeyInt(At<arrow::Int16Array>(column, row), out);
      break;
    case arrow::Type::INT32:
      columnar::AppendKeyInt(At<arrow::Int32Array>(column, row), out);
      break;
    case arrow::Type::INT64:
      columnar::AppendKeyInt(At<arrow::Int64Array>(column, row), out);
      break;
    case arrow::Type::UINT8:
      columnar::AppendKeyInt(At<arrow::UInt8Array>(column, row), out);
      break;
    case arrow::Type::UINT16:
      columnar::AppendKeyInt(At<arrow::UInt16Array>(column, row), out);
      break;
    case arrow::Type::UINT32:
      columnar::AppendKeyInt(At<arrow::UInt32Array>(column, row), out);
      break;
    case arrow::Type::DOUBLE:
      columnar::AppendKeyFloat(At<arrow::DoubleArray>(column, row), out);
      break;
    case arrow::Type::STRING:
      columnar::AppendKeyString(At<arrow::StringArray>(column, row), out);
      break;
    case arrow::Type::BINARY:
      columnar::AppendKeyBytes(At<arrow::BinaryArray>(column, row), out);
      break;
    case arrow::Type::DATE32:
      AppendOrdered(kDate, At<arrow::Date32Array>(column, row), out);
      break;
    case arrow::Type::TIME64:
      AppendOrdered(kTimeOfDay, Micros(static_cast<const arrow::Time64Type&>(*column.type()).unit(), At<arrow::Time64Array>(column, row)),
                    out);
      break;
    case arrow::Type::DURATION:
      AppendOrdered(kSpan, Micros(static_cast<const arrow::DurationType&>(*column.type()).unit(), At<arrow::DurationArray>(column, row)),
                    out);
      break;
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*column.type());
      AppendOrdered(type.timezone().empty() ? kNaiveTime : kAwareTime, Micros(type.unit(), At<arrow::TimestampArray>(column, row)), out);
      break;
    }
    default:
      return Error(ErrorCode::kInternal, "a key column of type " + column.type()->ToString());
  }
  return Status::OK();
}

}  // namespace

Status RowKeys::Read(const columnar::DataBatch& batch) {
  const arrow::RecordBatch& records = *batch.records();
  keep_ = batch.records();
  hashes_ = nullptr;
  const std::int64_t rows = records.num_rows();
  if (one_) {
    bytes_.clear();
    columnar::AppendKeyNone(&bytes_);
    const std::string key = bytes_;
    offsets_.assign(1, 0);
    for (std::int64_t row = 0; row < rows; ++row) offsets_.push_back((row + 1) * static_cast<std::int64_t>(key.size()));
    for (std::int64_t row = 1; row < rows; ++row) bytes_ += key;
    data_ = reinterpret_cast<const std::uint8_t*>(bytes_.data());
    return Status::OK();
  }
  if (columns_.empty()) {
    if (batch.key_column() < 0) return Error(ErrorCode::kInternal, "a keyed operator was given rows without keys");
    const auto& keys = static_cast<const arrow::LargeBinaryArray&>(*records.column(batch.key_column()));
    offsets_.assign(keys.raw_value_offsets(), keys.raw_value_offsets() + rows + 1);
    data_ = keys.raw_data();
    if (batch.key_hash_column() >= 0) {
      const auto& hashes = *records.column(batch.key_hash_column());
      if (hashes.type_id() == arrow::Type::UINT64 && hashes.null_count() == 0)
        hashes_ = static_cast<const arrow::UInt64Array&>(hashes).raw_values();
    }
    return Status::OK();
  }
  std::vector<int> places;
  for (const std::string& name : columns_) {
    places.push_back(records.schema()->GetFieldIndex(name));
    if (places.back() < 0) return Error(ErrorCode::kInternal, "rows without their key column " + name);
  }
  bytes_.clear();
  offsets_.assign(1, 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    if (places.size() > 1) bytes_.push_back(kTuple);
    for (const int place : places) HR_RETURN_NOT_OK(AppendKey(*records.column(place), row, &bytes_));
    if (places.size() > 1) bytes_.push_back(0);
    offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
  }
  data_ = reinterpret_cast<const std::uint8_t*>(bytes_.data());
  // By columns the exchange places rows by their hash, so the state must go by it too.
  HR_RETURN_NOT_OK(columnar::HashRows(records, places, &row_hashes_));
  hashes_ = row_hashes_.data();
  return Status::OK();
}

}  // namespace headrace::data::state
