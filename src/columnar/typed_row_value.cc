#include "columnar/typed_row_value.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <limits>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

template <typename ArrayType>
auto At(const arrow::Array& column, std::int64_t row) {
  return static_cast<const ArrayType&>(column).GetView(row);
}

void AppendVarint(std::uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(number | 0x80));
  out->push_back(static_cast<char>(number));
}

void AppendCounted(std::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  out->append(text);
}
/// Of the reserved columns people see the row kind alone.
bool IsShown(const std::string& name) { return !name.starts_with("__") || name == kRowKindColumn; }

/// Beyond int64 an int is nine bytes of two's complement, the last one for the sign.
void AppendUnsigned(std::uint64_t number, std::string* out) {
  if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    ValueWriter(out).Int(static_cast<std::int64_t>(number));
    return;
  }
  out->push_back(static_cast<char>(ValueTag::kBigInt));
  out->push_back(9);
  for (int byte = 0; byte < 8; ++byte) out->push_back(static_cast<char>(number >> (8 * byte)));
  out->push_back('\0');
}

std::int64_t Floor(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

std::int64_t Micros(arrow::TimeUnit::type unit, std::int64_t ticks) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return ticks * 1'000'000;
    case arrow::TimeUnit::MILLI:
      return ticks * 1000;
    case arrow::TimeUnit::MICRO:
      return ticks;
    case arrow::TimeUnit::NANO:
      return Floor(ticks, 1000);
  }
  return ticks;
}

Status AppendList(const arrow::Array& column, std::int64_t row, std::string* out) {
  const auto& list = static_cast<const arrow::ListArray&>(column);
  ValueWriter(out).ListHeader(static_cast<std::uint64_t>(list.value_length(row)));
  for (std::int64_t i = 0; i < list.value_length(row); ++i)
    HR_RETURN_NOT_OK(AppendColumnValue(*list.values(), list.value_offset(row) + i, out));
  return Status::OK();
}

Status AppendStruct(const arrow::Array& column, std::int64_t row, std::string* out) {
  const auto& fields = static_cast<const arrow::StructArray&>(column);
  ValueWriter writer(out);
  writer.DictHeader(static_cast<std::uint64_t>(fields.num_fields()));
  for (int i = 0; i < fields.num_fields(); ++i) {
    writer.String(column.type()->field(i)->name());
    HR_RETURN_NOT_OK(AppendColumnValue(*fields.field(i), row, out));
  }
  return Status::OK();
}

}  // namespace

Status AppendColumnValue(const arrow::Array& column, std::int64_t row, std::string* out) {
  ValueWriter writer(out);
  if (column.IsNull(row)) {
    writer.None();
    return Status::OK();
  }
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      writer.Bool(At<arrow::BooleanArray>(column, row));
      break;
    case arrow::Type::INT8:
      writer.Int(At<arrow::Int8Array>(column, row));
      break;
    case arrow::Type::INT16:
      writer.Int(At<arrow::Int16Array>(column, row));
      break;
    case arrow::Type::INT32:
      writer.Int(At<arrow::Int32Array>(column, row));
      break;
    case arrow::Type::INT64:
      writer.Int(At<arrow::Int64Array>(column, row));
      break;
    case arrow::Type::UINT8:
      writer.Int(At<arrow::UInt8Array>(column, row));
      break;
    case arrow::Type::UINT16:
      writer.Int(At<arrow::UInt16Array>(column, row));
      break;
    case arrow::Type::UINT32:
      writer.Int(At<arrow::UInt32Array>(column, row));
      break;
    case arrow::Type::UINT64:
      AppendUnsigned(At<arrow::UInt64Array>(column, row), out);
      break;
    case arrow::Type::FLOAT:
      writer.Float(At<arrow::FloatArray>(column, row));
      break;
    case arrow::Type::DOUBLE:
      writer.Float(At<arrow::DoubleArray>(column, row));
      break;
    case arrow::Type::STRING:
      writer.String(At<arrow::StringArray>(column, row));
      break;
    case arrow::Type::LARGE_STRING:
      writer.String(At<arrow::LargeStringArray>(column, row));
      break;
    case arrow::Type::BINARY:
      writer.Bytes(At<arrow::BinaryArray>(column, row));
      break;
    case arrow::Type::LARGE_BINARY:
      out->append(At<arrow::LargeBinaryArray>(column, row));
      break;  // any Python value, encoded already
    case arrow::Type::DECIMAL128:
      writer.Decimal(static_cast<const arrow::Decimal128Array&>(column).FormatValue(row));
      break;
    case arrow::Type::DATE32:
      writer.Date(At<arrow::Date32Array>(column, row));
      break;
    case arrow::Type::TIME64:
      writer.Time(Micros(static_cast<const arrow::Time64Type&>(*column.type()).unit(), At<arrow::Time64Array>(column, row)));
      break;
    case arrow::Type::DURATION:
      writer.Timedelta(Micros(static_cast<const arrow::DurationType&>(*column.type()).unit(), At<arrow::DurationArray>(column, row)));
      break;
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*column.type());
      const std::int64_t micros = Micros(type.unit(), At<arrow::TimestampArray>(column, row));
      if (type.timezone().empty())
        writer.NaiveDatetime(micros);
      else
        writer.AwareDatetime(micros, 0);
      break;
    }
    case arrow::Type::LIST:
      return AppendList(column, row, out);
    case arrow::Type::STRUCT:
      return AppendStruct(column, row, out);
    default:
      return Status::NotImplemented("a Python value of ", column.type()->ToString());
  }
  return Status::OK();
}

Status AppendTypedRow(const arrow::RecordBatch& batch, std::int64_t row, std::string* out) {
  std::uint64_t shown = 0;
  for (const auto& field : batch.schema()->fields()) shown += IsShown(field->name()) ? 1 : 0;
  ValueWriter writer(out);
  writer.DictHeader(shown);
  for (int i = 0; i < batch.num_columns(); ++i) {
    const std::string& name = batch.schema()->field(i)->name();
    if (!IsShown(name)) continue;
    writer.String(name);
    if (name == kRowKindColumn) {
      writer.String(NameOf(static_cast<RowKind>(At<arrow::UInt8Array>(*batch.column(i), row))));
      continue;
    }
    HR_RETURN_NOT_OK(AppendColumnValue(*batch.column(i), row, out));
  }
  return Status::OK();
}

Status AppendRecord(const arrow::RecordBatch& batch, const arrow::Schema& schema, const std::string& record, std::int64_t row,
                    std::string* out) {
  ValueWriter writer(out);
  const auto fields = static_cast<std::uint64_t>(schema.num_fields());
  if (record.empty())
    writer.DictHeader(fields);
  else {
    out->push_back(static_cast<char>(ValueTag::kDataclass));
    AppendCounted(record, out);
    AppendVarint(fields, out);
  }
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (record.empty())
      writer.String(schema.field(i)->name());
    else
      AppendCounted(schema.field(i)->name(), out);
    HR_RETURN_NOT_OK(AppendColumnValue(*batch.column(i), row, out));
  }
  return Status::OK();
}

}  // namespace headrace::columnar
