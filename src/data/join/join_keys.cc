#include "data/join/join_keys.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::data::join {

Result<JoinKeys> JoinKeys::Make(const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs,
                                const std::array<std::vector<std::string>, 2>& names) {
  arrow::FieldVector fields;
  std::vector<std::string> numbered;
  std::array<std::vector<int>, 2> columns;
  bool any_nullable = false;
  for (std::size_t k = 0; k < names[0].size(); ++k) {
    bool nullable = false;
    for (const std::size_t side : {0, 1}) {
      columns[side].push_back(inputs[side]->GetFieldIndex(names[side][k]));
      if (columns[side].back() < 0) return Status::Invalid("no key column ", names[side][k]);
      nullable = nullable || inputs[side]->field(columns[side].back())->nullable();
    }
    numbered.push_back(fmt::format("key{}", k));
    fields.push_back(arrow::field(numbered.back(), inputs[0]->field(columns[0].back())->type(), nullable));
    any_nullable = any_nullable || nullable;
  }
  auto schema = arrow::schema(std::move(fields));
  HR_ASSIGN_OR_RAISE(window::KeyWords words, window::KeyWords::Make(*schema, numbered));
  JoinKeys keys(std::move(words));
  keys.schema_ = std::move(schema);
  keys.columns_ = std::move(columns);
  keys.nullable_ = any_nullable;
  return keys;
}

Result<std::vector<const std::uint64_t*>> JoinKeys::Encode(std::size_t side, const arrow::RecordBatch& batch) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  bool has_nulls = false;
  for (const int column : columns_[side]) {
    columns.push_back(batch.column_data(column));
    has_nulls = has_nulls || columns.back()->GetNullCount() > 0;
  }
  const auto keys = arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  HR_ASSIGN_OR_RAISE(auto words, words_.Encode(*keys));
  nulls_ = has_nulls && nullable_ ? words.back() : nullptr;
  return words;
}

}  // namespace headrace::data::join
