#include "data/window/lookup_join.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"
#include "data/window/lookup_rows.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kMostRows = std::numeric_limits<std::int32_t>::max();

/// The key columns as both sides are brought to them: ints of different widths meet as int64.
std::shared_ptr<arrow::Schema> KeySchema(const plan::LookupSpec& spec, const arrow::Schema& input) {
  arrow::FieldVector fields;
  for (const auto& [left, right] : spec.on) {
    const auto& type = input.GetFieldByName(left)->type();
    fields.push_back(arrow::field(left, type->Equals(*spec.table->schema->GetFieldByName(right)->type()) ? type : arrow::int64()));
  }
  return arrow::schema(std::move(fields));
}

template <typename ArrayType>
Result<std::shared_ptr<arrow::Array>> Widened(const arrow::Array& array) {
  const auto& from = static_cast<const ArrayType&>(array);
  arrow::Int64Builder to;
  HR_RETURN_NOT_OK(to.Reserve(from.length()));
  for (std::int64_t i = 0; i < from.length(); ++i) {
    // What int64 cannot hold equals nothing on the other side.
    if (from.IsNull(i) || !std::in_range<std::int64_t>(from.Value(i)))
      to.UnsafeAppendNull();
    else
      to.UnsafeAppend(static_cast<std::int64_t>(from.Value(i)));
  }
  return to.Finish();
}

Result<std::shared_ptr<arrow::Array>> AsInt64(const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return Widened<arrow::Int8Array>(array);
    case arrow::Type::INT16:
      return Widened<arrow::Int16Array>(array);
    case arrow::Type::INT32:
      return Widened<arrow::Int32Array>(array);
    case arrow::Type::UINT8:
      return Widened<arrow::UInt8Array>(array);
    case arrow::Type::UINT16:
      return Widened<arrow::UInt16Array>(array);
    case arrow::Type::UINT32:
      return Widened<arrow::UInt32Array>(array);
    case arrow::Type::UINT64:
      return Widened<arrow::UInt64Array>(array);
    default:
      return Status::Invalid("no int: ", array.type()->ToString());
  }
}

}  // namespace

Result<std::unique_ptr<op::Operator>> LookupJoin::Make(const plan::LookupSpec& spec, Table table, const arrow::Schema& input) {
  const auto key_schema = KeySchema(spec, input);
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*key_schema, key_schema->field_names()));
  if (keys.words() > state::GroupTable::kMaxKeyWords)
    return Error(ErrorCode::kInvalidPlan, "the columns it joins on are too many: at most 7, of which a decimal counts as two");
  std::unique_ptr<LookupJoin> made(new LookupJoin(spec, std::move(table), std::move(keys)));
  made->key_schema_ = key_schema;
  const arrow::Schema& columns = *spec.table->schema;
  for (const auto& [left, right] : spec.on) {
    made->left_keys_.push_back(input.GetFieldIndex(left));
    made->right_keys_.push_back(columns.GetFieldIndex(right));
  }
  for (int i = 0; i < columns.num_fields(); ++i) {
    if (std::find(made->right_keys_.begin(), made->right_keys_.end(), i) != made->right_keys_.end()) continue;
    const auto& field = columns.field(i);
    made->right_columns_.push_back(i);
    made->right_fields_.push_back(field->WithNullable(field->nullable() || spec.keep_unmatched));
    HR_RETURN_NOT_OK(columnar::ColumnGatherer::Make(field->type()).status());
  }
  HR_ASSIGN_OR_RAISE(auto none, arrow::RecordBatch::MakeEmpty(spec.table->schema));
  made->read_.push_back(std::move(none));
  return std::unique_ptr<op::Operator>(std::move(made));
}

LookupJoin::LookupJoin(const plan::LookupSpec& spec, Table table, KeyWords keys)
    : keep_unmatched_(spec.keep_unmatched), table_(std::move(table)), keys_(std::move(keys)), first_of_(keys_.words(), 1) {}

LookupJoin::~LookupJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status LookupJoin::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  HR_RETURN_NOT_OK(table_.reader->Open(table_.context));
  HR_RETURN_NOT_OK(table_.reader->AddSplits(table_.splits));
  table_.reader->NoMoreSplits();
  return Load();
}

void LookupJoin::RequestStop() {
  if (table_.reader != nullptr) table_.reader->RequestStop();
}

Status LookupJoin::Poll(op::Collector*) { return loaded_ ? Status::OK() : Load(); }

Status LookupJoin::Load() {
  using Kind = connector::SourcePoll::Kind;
  while (true) {
    HR_ASSIGN_OR_RAISE(connector::SourcePoll poll, table_.reader->Poll());
    if (poll.kind == Kind::kNothingYet) return Status::OK();  // it wakes the task
    if (poll.kind == Kind::kEnd) break;
    arrow::ArrayVector columns;
    const auto& records = *poll.batch.records();
    for (const auto& field : read_.front()->schema()->fields()) columns.push_back(records.GetColumnByName(field->name()));
    read_.push_back(arrow::RecordBatch::Make(read_.front()->schema(), records.num_rows(), std::move(columns)));
  }
  table_.reader.reset();
  loaded_ = true;
  return Index();
}

Status LookupJoin::Index() {
  HR_ASSIGN_OR_RAISE(const auto all, arrow::ConcatenateRecordBatches(std::exchange(read_, {})));
  const std::int64_t rows = all->num_rows();
  if (rows >= kMostRows)
    return Error(ErrorCode::kBadRecord, fmt::format("the table has {} rows; at most {} are taken", rows, kMostRows - 1));
  for (const int column : right_columns_) {
    HR_ASSIGN_OR_RAISE(auto null_row, arrow::MakeArrayOfNull(all->column(column)->type(), 1));
    HR_ASSIGN_OR_RAISE(auto with_null, arrow::Concatenate({all->column(column), null_row}));
    columns_.push_back(std::move(with_null));
  }
  HR_ASSIGN_OR_RAISE(const auto keys, KeysOf(*all, right_keys_));
  HR_ASSIGN_OR_RAISE(const auto words, keys_.Encode(*keys));
  std::vector<std::uint64_t*> values(static_cast<std::size_t>(rows));
  next_.assign(static_cast<std::size_t>(rows), 0);
  HR_RETURN_NOT_OK(first_of_.Resolve(words, rows, values.data()));
  // Backwards: each row comes before those that are there already.
  for (std::int64_t row = rows - 1; row >= 0; --row) {
    const bool has_null = std::any_of(keys->columns().begin(), keys->columns().end(), [row](const auto& key) { return key->IsNull(row); });
    if (has_null) continue;
    next_[static_cast<std::size_t>(row)] = static_cast<std::uint32_t>(std::exchange(*values[static_cast<std::size_t>(row)], row + 1));
  }
  table_bytes_ = columnar::DataBatch(all).size_bytes();
  AccountBytes();
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> LookupJoin::KeysOf(const arrow::RecordBatch& records, const std::vector<int>& columns) const {
  arrow::ArrayVector keys;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& type = key_schema_->field(static_cast<int>(i))->type();
    std::shared_ptr<arrow::Array> key = records.column(columns[i]);
    if (!key->type()->Equals(*type)) {
      HR_ASSIGN_OR_RAISE(key, AsInt64(*key));
    }
    keys.push_back(std::move(key));
  }
  return arrow::RecordBatch::Make(key_schema_, records.num_rows(), std::move(keys));
}

Status LookupJoin::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const auto keys, KeysOf(records, left_keys_));
  HR_ASSIGN_OR_RAISE(const auto words, keys_.Encode(*keys));
  Match(words, *keys);
  ForgetTexts();
  if (probes_.empty()) return Status::OK();
  arrow::ArrayVector found;
  for (const auto& column : columns_) {
    HR_ASSIGN_OR_RAISE(auto gathered, GatherColumn(*column, matches_));
    found.push_back(std::move(gathered));
  }
  HR_ASSIGN_OR_RAISE(auto joined, JoinFound(records, probes_, right_fields_, found));
  return out->Emit(std::move(joined));
}

void LookupJoin::Match(const std::vector<const std::uint64_t*>& keys, const arrow::RecordBatch& key_columns) {
  probes_.clear();
  matches_.clear();
  const auto null_row = static_cast<std::uint32_t>(next_.size());
  std::uint64_t key[state::GroupTable::kMaxKeyWords];
  for (std::int64_t row = 0; row < key_columns.num_rows(); ++row) {
    for (std::size_t word = 0; word < keys.size(); ++word) key[word] = keys[word][row];
    const std::uint64_t* first = first_of_.Find(key);
    if (first == nullptr || *first == 0) {
      if (!keep_unmatched_) continue;
      probes_.push_back(static_cast<std::uint32_t>(row));
      matches_.push_back(null_row);
      continue;
    }
    for (auto match = static_cast<std::uint32_t>(*first); match != 0; match = next_[match - 1]) {
      probes_.push_back(static_cast<std::uint32_t>(row));
      matches_.push_back(match - 1);
    }
  }
}

void LookupJoin::ForgetTexts() {
  // Texts of the stream that the table does not have.
  if (keys_.wants_sweep()) {
    for (std::int64_t row = 0; row < first_of_.num_rows(); ++row) keys_.Mark(first_of_.RowKey(row));
    keys_.Sweep();
  }
  AccountBytes();
}

void LookupJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes =
      first_of_.allocated_bytes() + keys_.allocated_bytes() + table_bytes_ + static_cast<std::int64_t>(next_.size() * sizeof(next_[0]));
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
