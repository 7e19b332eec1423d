#include "data/connector/row_text.h"

#include <arrow/array/array_binary.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "columnar/value_encoding.h"

namespace headrace::data::connector {

using columnar::ValueForm;
using columnar::ValueTag;

RowFormat RowFormatOf(std::string_view name) {
  if (name == "string") return RowFormat::kString;
  if (name == "bytes") return RowFormat::kBytes;
  if (name == "json") return RowFormat::kJson;
  return RowFormat::kAuto;
}

RowTextWriter::RowTextWriter(columnar::ValueRowReader reader, ValueForm form, RowFormat format)
    : reader_(std::move(reader)), form_(form), format_(format) {
  rows_are_text_ = (form == ValueForm::kUtf8 && format != RowFormat::kJson) ||
                   (form == ValueForm::kRawBytes && (format == RowFormat::kAuto || format == RowFormat::kBytes));
}

Result<RowTextWriter> RowTextWriter::Make(const columnar::DataBatch& batch, RowFormat format, format::TimestampText timestamps) {
  HR_ASSIGN_OR_RAISE(columnar::ValueRowReader reader, columnar::ValueRowReader::Make(batch));
  if (batch.value_column() < 0) {
    RowTextWriter made(std::move(reader), ValueForm::kEncoded, format);
    if (format == RowFormat::kAuto || format == RowFormat::kJson) {
      HR_ASSIGN_OR_RAISE(made.json_, format::JsonRowWriter::Make(batch.records(), timestamps));
    }
    return made;
  }
  HR_ASSIGN_OR_RAISE(const ValueForm form, columnar::FormOf(*batch.records()->schema()->field(batch.value_column())));
  return RowTextWriter(std::move(reader), form, format);
}

Status RowTextWriter::Append(std::int64_t row, std::string* out) const {
  if (json_) return json_->Append(row, out);
  if (format_ == RowFormat::kJson) return reader_.AppendRowJson(row, out);
  if (format_ == RowFormat::kAuto || rows_are_text_) return reader_.AppendRowText(row, out);
  std::string encoded;
  HR_RETURN_NOT_OK(reader_.AppendRowEncoded(row, &encoded));
  const auto tag = static_cast<ValueTag>(encoded.empty() ? 0 : encoded.front());
  if (tag == ValueTag::kString || (tag == ValueTag::kBytes && format_ == RowFormat::kBytes)) return reader_.AppendRowText(row, out);
  if (format_ == RowFormat::kBytes) {
    return Error(ErrorCode::kBadRecord, fmt::format("value_format=bytes takes bytes and str, not {}", reader_.RowRepr(row)),
                 "Map the rows to bytes, or use value_format=\"json\".");
  }
  out->append(columnar::ReprOf(encoded, std::numeric_limits<std::size_t>::max()));
  return Status::OK();
}

Result<KeyTextWriter> KeyTextWriter::Make(const columnar::DataBatch& batch, const std::vector<std::string>& columns,
                                          format::TimestampText timestamps) {
  std::vector<int> indexes;
  for (const std::string& column : columns) {
    indexes.push_back(batch.records()->schema()->GetFieldIndex(column));
    if (indexes.back() < 0)
      return Error(ErrorCode::kInvalidPlan, fmt::format("the rows have no column \"{:.100}\" for the message key", column));
  }
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> keys, batch.records()->SelectColumns(indexes));
  HR_ASSIGN_OR_RAISE(format::JsonRowWriter values, format::JsonRowWriter::Make(keys, timestamps));
  return KeyTextWriter(std::move(values), std::move(keys));
}

Status KeyTextWriter::Append(std::int64_t row, std::string* out) const {
  const int columns = keys_->num_columns();
  if (columns > 1) {
    for (int i = 0; i < columns; ++i) {
      out->push_back(i == 0 ? '[' : ',');
      HR_RETURN_NOT_OK(values_.AppendValue(static_cast<std::size_t>(i), row, out));
    }
    out->push_back(']');
    return Status::OK();
  }
  const std::size_t start = out->size();
  const auto id = keys_->column(0)->type_id();
  if (id == arrow::Type::STRING && keys_->column(0)->IsValid(row)) {
    out->append(static_cast<const arrow::StringArray&>(*keys_->column(0)).GetView(row));
    return Status::OK();
  }
  HR_RETURN_NOT_OK(values_.AppendValue(0, row, out));
  // Dates, times and decimals stand in quotes, which a key of one column has no need of.
  if (out->size() >= start + 2 && (*out)[start] == '"') {
    out->pop_back();
    out->erase(start, 1);
  }
  return Status::OK();
}

}  // namespace headrace::data::connector
