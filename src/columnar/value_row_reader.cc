#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cmath>

#include "columnar/typed_row_value.h"
#include "columnar/value_column.h"
#include "columnar/value_encoding.h"
#include "columnar/value_text.h"

namespace headrace::columnar {
namespace {

template <typename ArrayType>
auto At(const void* column, std::int64_t row) {
  return static_cast<const ArrayType*>(static_cast<const arrow::Array*>(column))->GetView(row);
}

std::string_view BytesAt(ValueForm form, const void* column, std::int64_t row) {
  return form == ValueForm::kUtf8 ? At<arrow::LargeStringArray>(column, row) : At<arrow::LargeBinaryArray>(column, row);
}

bool IsNull(const void* column, std::int64_t row) { return static_cast<const arrow::Array*>(column)->IsNull(row); }

}  // namespace

Result<ValueRowReader> ValueRowReader::Make(const DataBatch& batch) {
  ValueRowReader reader;
  if (batch.value_column() < 0) {
    reader.batch_ = batch;
    return reader;
  }
  HR_ASSIGN_OR_RAISE(reader.form_, FormOf(*batch.records()->schema()->field(batch.value_column())));
  reader.batch_ = batch;
  // The record batch keeps its array objects, so the pointer lives as long as batch_.
  reader.column_ = static_cast<const arrow::Array*>(batch.records()->column(batch.value_column()).get());
  return reader;
}

Status ValueRowReader::AppendRowText(std::int64_t row, std::string* out) const {
  if (typed()) return AppendRowJson(row, out);
  if (!IsNull(column_, row)) {
    if (form_ == ValueForm::kUtf8 || form_ == ValueForm::kRawBytes) {
      out->append(BytesAt(form_, column_, row));
      return Status::OK();
    }
    if (form_ == ValueForm::kEncoded) {
      const std::string_view encoded = BytesAt(form_, column_, row);
      const auto tag = encoded.empty() ? ValueTag::kNone : static_cast<ValueTag>(encoded.front());
      if (tag == ValueTag::kString || tag == ValueTag::kBytes) {
        HR_ASSIGN_OR_RAISE(const Value value, DecodeValue(encoded));
        out->append(value.text);
        return Status::OK();
      }
    }
  }
  return AppendRowJson(row, out);
}

Status ValueRowReader::AppendRowJson(std::int64_t row, std::string* out) const {
  if (typed()) {
    std::string encoded;
    HR_RETURN_NOT_OK(AppendTypedRow(*batch_.records(), row, &encoded));
    return AppendJson(encoded, out);
  }
  if (IsNull(column_, row)) {
    out->append("null");
    return Status::OK();
  }
  switch (form_) {
    case ValueForm::kEncoded:
      return AppendJson(BytesAt(form_, column_, row), out);
    case ValueForm::kUtf8:
      AppendJsonString(BytesAt(form_, column_, row), out);
      break;
    case ValueForm::kInt64:
      out->append(std::to_string(At<arrow::Int64Array>(column_, row)));
      break;
    case ValueForm::kFloat64: {
      const double value = At<arrow::DoubleArray>(column_, row);
      if (std::isfinite(value))
        AppendShortestFloat(value, out);
      else
        out->append("null");
      break;
    }
    case ValueForm::kBool:
      out->append(At<arrow::BooleanArray>(column_, row) ? "true" : "false");
      break;
    case ValueForm::kRawBytes:
      out->push_back('"');
      AppendBase64(BytesAt(form_, column_, row), out);
      out->push_back('"');
      break;
  }
  return Status::OK();
}

Status ValueRowReader::AppendRowEncoded(std::int64_t row, std::string* out) const {
  if (typed()) return AppendTypedRow(*batch_.records(), row, out);
  ValueWriter writer(out);
  if (IsNull(column_, row)) {
    writer.None();
    return Status::OK();
  }
  switch (form_) {
    case ValueForm::kEncoded:
      out->append(BytesAt(form_, column_, row));
      break;
    case ValueForm::kUtf8:
      writer.String(BytesAt(form_, column_, row));
      break;
    case ValueForm::kInt64:
      writer.Int(At<arrow::Int64Array>(column_, row));
      break;
    case ValueForm::kFloat64:
      writer.Float(At<arrow::DoubleArray>(column_, row));
      break;
    case ValueForm::kBool:
      writer.Bool(At<arrow::BooleanArray>(column_, row));
      break;
    case ValueForm::kRawBytes:
      writer.Bytes(BytesAt(form_, column_, row));
      break;
  }
  return Status::OK();
}

std::string ValueRowReader::RowRepr(std::int64_t row, std::size_t max_chars) const {
  std::string encoded;
  const Status status = AppendRowEncoded(row, &encoded);
  return status.ok() ? ReprOf(encoded, max_chars) : "<" + status.message() + ">";
}

}  // namespace headrace::columnar
