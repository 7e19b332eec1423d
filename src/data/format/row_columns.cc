#include "data/format/row_columns.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"

namespace headrace::data::format {
namespace {

std::int64_t FixedBytes(const ColumnBuilder& column) {
  switch (column.kind()) {
    case ColumnBuilder::Kind::kBool:
      return 1;
    case ColumnBuilder::Kind::kDecimal:
      return 16;
    default:
      return 8;
  }
}

}  // namespace

Result<RowColumns> RowColumns::Make(std::shared_ptr<arrow::Schema> schema) {
  RowColumns made;
  for (const auto& field : schema->fields()) {
    HR_ASSIGN_OR_RAISE(ColumnBuilder column, ColumnBuilder::Make(*field));
    made.row_bytes_ += FixedBytes(column);
    made.columns_.push_back(std::move(column));
  }
  made.schema_ = std::move(schema);
  return made;
}

Result<std::shared_ptr<arrow::RecordBatch>> RowColumns::Finish() {
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  for (ColumnBuilder& column : columns_) {
    HR_ASSIGN_OR_RAISE(auto array, column.Finish());
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(schema_, std::exchange(rows_, 0), std::move(arrays));
}

std::string ShownValue(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string_view head = text.substr(0, kMost);
  while (!head.empty() && !IsUtf8(head)) head.remove_suffix(1);
  return text.size() > head.size() ? fmt::format("{}… ({} bytes)", head, text.size()) : std::string(head);
}

Status DoesNotFit(const ColumnBuilder& column, std::string_view shown) {
  return Status::Invalid(fmt::format("column \"{}\": {} does not fit {}", column.name(), ShownValue(shown), column.type_name()));
}

Status NullRefused(const ColumnBuilder& column, bool absent) {
  return Status::Invalid(fmt::format("column \"{}\" is {}, but its type {} has no null; declare it as \"{} | None\"", column.name(),
                                     absent ? "absent" : "null", column.type_name(), column.type_name()));
}

}  // namespace headrace::data::format
