#include "data/format/csv_rows.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "data/format/json_writer.h"

namespace headrace::data::format {
namespace {

/// Cuts the next field off `rest`. `field` points into the record, or into `unquoted` when quotes had to be taken away.
/// `more`: a delimiter followed.
Status NextField(std::string_view* rest, char delimiter, std::string* unquoted, std::string_view* field, bool* quoted, bool* more) {
  *quoted = rest->starts_with('"');
  if (!*quoted) {
    const std::size_t end = rest->find(delimiter);
    *field = rest->substr(0, end);
    *more = end != std::string_view::npos;
    rest->remove_prefix(*more ? end + 1 : rest->size());
    return Status::OK();
  }
  unquoted->clear();
  std::size_t from = 1;
  while (true) {
    const std::size_t quote = rest->find('"', from);
    if (quote == std::string_view::npos) return Status::Invalid("a quote is not closed");
    unquoted->append(rest->substr(from, quote - from));
    from = quote + 1;
    if (from >= rest->size() || (*rest)[from] != '"') break;
    unquoted->push_back('"');
    ++from;
  }
  *more = from < rest->size();
  if (*more && (*rest)[from] != delimiter) return Status::Invalid("something follows a closing quote");
  *field = *unquoted;
  rest->remove_prefix(*more ? from + 1 : from);
  return Status::OK();
}

}  // namespace

bool CsvGoesOn(std::string_view record) { return std::count(record.begin(), record.end(), '"') % 2 != 0; }

Result<std::vector<std::string>> CsvFields(std::string_view record, char delimiter) {
  std::vector<std::string> fields;
  std::string unquoted;
  bool more = true;
  while (more) {
    std::string_view field;
    bool quoted = false;
    HR_RETURN_NOT_OK(NextField(&record, delimiter, &unquoted, &field, &quoted, &more));
    fields.emplace_back(field);
  }
  return fields;
}

Result<std::unique_ptr<CsvRowDecoder>> CsvRowDecoder::Make(const std::shared_ptr<arrow::Schema>& schema, CsvOptions options) {
  HR_ASSIGN_OR_RAISE(RowColumns rows, RowColumns::Make(schema));
  return std::unique_ptr<CsvRowDecoder>(new CsvRowDecoder(std::move(rows), std::move(options)));
}

Status CsvRowDecoder::SetColumns(const std::vector<std::string>& names) {
  column_of_field_.clear();
  absent_.clear();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      return Status::Invalid(fmt::format("two columns are called \"{}\"", ShownValue(names[i])));
    column_of_field_.push_back(rows_.schema()->GetFieldIndex(names[i]));
  }
  for (int i = 0; i < rows_.schema()->num_fields(); ++i) {
    if (std::find(column_of_field_.begin(), column_of_field_.end(), i) != column_of_field_.end()) continue;
    const ColumnBuilder& column = rows_.columns()[static_cast<std::size_t>(i)];
    if (!column.nullable()) {
      return Status::Invalid(fmt::format("there is no column \"{}\", and its type {} has no null; the columns are {}", column.name(),
                                         column.type_name(), ShownValue(fmt::format("{}", fmt::join(names, ", ")))));
    }
    absent_.push_back(i);
  }
  return Status::OK();
}

Status CsvRowDecoder::Append(std::string_view record) {
  const Status status = AppendRow(record);
  if (status.ok())
    rows_.CloseRow();
  else
    rows_.DropRow();
  return status;
}

Status CsvRowDecoder::AppendRow(std::string_view record) {
  if (!IsUtf8(record)) return Status::Invalid("not UTF-8");
  std::size_t fields = 0;
  bool more = true;
  while (more) {
    std::string_view field;
    bool quoted = false;
    HR_RETURN_NOT_OK(NextField(&record, options_.delimiter, &unquoted_, &field, &quoted, &more));
    const std::size_t index = fields++;
    if (index >= column_of_field_.size() || column_of_field_[index] < 0) continue;
    HR_RETURN_NOT_OK(AppendField(field, quoted, &rows_.columns()[static_cast<std::size_t>(column_of_field_[index])]));
  }
  if (fields != column_of_field_.size())
    return Status::Invalid(fmt::format("it has {} fields, but there are {} columns", fields, column_of_field_.size()));
  for (const int index : absent_) rows_.columns()[static_cast<std::size_t>(index)].AppendNull();
  return Status::OK();
}

Status CsvRowDecoder::AppendField(std::string_view text, bool quoted, ColumnBuilder* column) const {
  const bool is_text = column->kind() == ColumnBuilder::Kind::kText;
  if (!quoted && text == options_.null_text && (column->nullable() || !is_text)) {
    if (!column->nullable()) return NullRefused(*column, /*absent=*/false);
    column->AppendNull();
    return Status::OK();
  }
  return column->AppendText(text) ? Status::OK() : DoesNotFit(*column, text);
}

// ---- CsvRowWriter ----

struct CsvRowWriter::State {
  std::shared_ptr<arrow::RecordBatch> batch;
  JsonRowWriter values;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::string> names;
  char delimiter;
  std::string text;

  void AppendText(std::string_view value, std::string* out) const {
    const bool plain =
        !value.empty() && value.find_first_of("\"\r\n") == std::string_view::npos && value.find(delimiter) == std::string_view::npos;
    if (plain) {
      out->append(value);
      return;
    }
    out->push_back('"');
    for (const char c : value) {
      if (c == '"') out->push_back('"');
      out->push_back(c);
    }
    out->push_back('"');
  }
};

CsvRowWriter::CsvRowWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
CsvRowWriter::CsvRowWriter(CsvRowWriter&&) noexcept = default;
CsvRowWriter::~CsvRowWriter() = default;

Result<CsvRowWriter> CsvRowWriter::Make(std::shared_ptr<arrow::RecordBatch> batch, bool milliseconds, char delimiter) {
  HR_ASSIGN_OR_RAISE(JsonRowWriter values, JsonRowWriter::Make(batch, milliseconds ? TimestampText::kMilliseconds : TimestampText::kIso));
  auto state = std::make_unique<State>(State{batch, std::move(values), {}, {}, delimiter, {}});
  for (int i = 0; i < batch->num_columns(); ++i) {
    const std::string& name = batch->schema()->field(i)->name();
    if (name.starts_with("__")) continue;
    state->columns.push_back(batch->column(i));
    state->names.push_back(name);
  }
  return CsvRowWriter(std::move(state));
}

void CsvRowWriter::AppendHeader(std::string* out) const {
  for (std::size_t i = 0; i < state_->names.size(); ++i) {
    if (i > 0) out->push_back(state_->delimiter);
    state_->AppendText(state_->names[i], out);
  }
}

Status CsvRowWriter::Append(std::int64_t row, std::string* out) {
  for (std::size_t i = 0; i < state_->columns.size(); ++i) {
    if (i > 0) out->push_back(state_->delimiter);
    const arrow::Array& column = *state_->columns[i];
    if (column.IsNull(row)) continue;
    if (column.type_id() == arrow::Type::STRING) {
      state_->AppendText(static_cast<const arrow::StringArray&>(column).GetView(row), out);
      continue;
    }
    const std::size_t start = out->size();
    HR_RETURN_NOT_OK(state_->values.AppendValue(i, row, out));
    if ((*out)[start] != '"') continue;
    // Dates, times, decimals and base64 need no quotes: they hold neither delimiter nor line end.
    out->pop_back();
    out->erase(start, 1);
  }
  return Status::OK();
}

}  // namespace headrace::data::format
