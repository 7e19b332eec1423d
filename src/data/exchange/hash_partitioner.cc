#include "data/exchange/hash_partitioner.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/key_encoding.h"
#include "columnar/key_group.h"
#include "columnar/row_hash.h"

namespace headrace::data::exchange {

namespace {

Result<std::vector<std::unique_ptr<columnar::ColumnGatherer>>> GatherersOf(const arrow::Schema& schema) {
  std::vector<std::unique_ptr<columnar::ColumnGatherer>> gatherers;
  for (const auto& field : schema.fields()) {
    HR_ASSIGN_OR_RAISE(auto gatherer, columnar::ColumnGatherer::Make(field->type()));
    gatherers.push_back(std::move(gatherer));
  }
  return gatherers;
}

}  // namespace

HashPartitioner::HashPartitioner(const PartitionerOptions& options) : options_(options), channels_(options.channels) {
  channel_of_group_.resize(options.max_parallelism);
  for (std::uint32_t group = 0; group < options.max_parallelism; ++group)
    channel_of_group_[group] = columnar::SubtaskOf(group, options.channels, options.max_parallelism);
  for (std::uint32_t channel = 0; channel < options.channels; ++channel) shares_any_ = shares_any_ || shares(channel);
  holds_any_ = !shares_any_ || std::find(options.sharing.begin(), options.sharing.end(), false) != options.sharing.end();
  starts_.resize(options.channels + 1);
  cursors_.resize(options.channels);
}

HashPartitioner::~HashPartitioner() = default;

Status HashPartitioner::UseSchema(const std::shared_ptr<arrow::Schema>& schema, bool adds_hash, std::vector<Piece>* ready) {
  if (schema == input_schema_) return Status::OK();
  if (input_schema_ != nullptr && schema->Equals(*input_schema_, /*check_metadata=*/true)) {
    input_schema_ = schema;
    return Status::OK();
  }
  HR_RETURN_NOT_OK(Flush(ready));
  std::shared_ptr<arrow::Schema> output = schema;
  if (adds_hash) {
    const auto field = arrow::field(std::string(columnar::kKeyHashColumn), arrow::uint64(), /*nullable=*/false);
    HR_ASSIGN_OR_RAISE(output, schema->AddField(schema->num_fields(), field));
  }
  HR_RETURN_NOT_OK(FindColumns(*schema));
  std::vector<Channel> channels(options_.channels);
  for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
    if (shares(channel)) continue;
    HR_ASSIGN_OR_RAISE(channels[channel].columns, GatherersOf(*output));
  }
  if (shares_any_) {
    HR_ASSIGN_OR_RAISE(shared_, GatherersOf(*output));
  }
  channels_ = std::move(channels);
  input_schema_ = schema;
  schema_ = std::move(output);
  return Status::OK();
}

Status HashPartitioner::FindColumns(const arrow::Schema& schema) {
  hash_columns_.clear();
  for (const std::string& name : options_.hash_columns) {
    const int index = schema.GetFieldIndex(name);
    if (index < 0) return Status::Invalid("rows without the column ", name, " cannot be partitioned by it");
    hash_columns_.push_back(index);
  }
  return Status::OK();
}

Status HashPartitioner::SortRows(const std::uint64_t* hashes, std::int64_t rows) {
  if (rows > std::numeric_limits<std::uint32_t>::max()) return Status::Invalid("a batch of ", rows, " rows");
  const auto count = static_cast<std::uint32_t>(rows);
  channel_of_row_.resize(count);
  indices_.resize(count);
  std::fill(starts_.begin(), starts_.end(), 0);
  const std::uint64_t groups = options_.max_parallelism;
  const bool power_of_two = (groups & (groups - 1)) == 0;
  for (std::uint32_t row = 0; row < count; ++row) {
    const std::uint64_t group = power_of_two ? hashes[row] & (groups - 1) : hashes[row] % groups;
    const std::uint32_t channel = channel_of_group_[group];
    channel_of_row_[row] = channel;
    ++starts_[channel + 1];
  }
  for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
    starts_[channel + 1] += starts_[channel];
    cursors_[channel] = starts_[channel];
  }
  for (std::uint32_t row = 0; row < count; ++row) indices_[cursors_[channel_of_row_[row]]++] = row;
  return Status::OK();
}

Status HashPartitioner::Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) {
  const std::int64_t rows = batch.num_rows();
  if (rows == 0) return Status::OK();
  if (!options_.hash_columns.empty()) return AddByColumns(batch, ready);
  if (batch.key_column() < 0) return Status::Invalid("rows without a key column cannot be partitioned by key");
  const auto& records = *batch.records();
  std::shared_ptr<arrow::ArrayData> hashes;
  const bool adds_hash = batch.key_hash_column() < 0;
  if (adds_hash) {
    const auto& keys = records.column(batch.key_column());
    if (keys->type_id() != arrow::Type::LARGE_BINARY) return Status::Invalid("a key column of type ", keys->type()->ToString());
    HR_ASSIGN_OR_RAISE(auto computed, columnar::HashKeyColumn(static_cast<const arrow::LargeBinaryArray&>(*keys)));
    hashes = computed->data();
  } else {
    hashes = records.column_data(batch.key_hash_column());
    if (hashes->type->id() != arrow::Type::UINT64) return Status::Invalid("a key hash column of type ", hashes->type->ToString());
  }
  HR_RETURN_NOT_OK(UseSchema(records.schema(), adds_hash, ready));
  HR_RETURN_NOT_OK(SortRows(hashes->GetValues<std::uint64_t>(1), rows));
  return Gather(batch, adds_hash ? hashes : nullptr, ready);
}

Status HashPartitioner::AddByColumns(const columnar::DataBatch& batch, std::vector<Piece>* ready) {
  const auto& records = *batch.records();
  HR_RETURN_NOT_OK(UseSchema(records.schema(), false, ready));
  HR_RETURN_NOT_OK(columnar::HashRows(records, hash_columns_, &row_hashes_));
  HR_RETURN_NOT_OK(SortRows(row_hashes_.data(), batch.num_rows()));
  return Gather(batch, nullptr, ready);
}

Status HashPartitioner::Gather(const columnar::DataBatch& batch, const std::shared_ptr<arrow::ArrayData>& hashes,
                               std::vector<Piece>* ready) {
  if (shares_any_) HR_RETURN_NOT_OK(GatherShared(batch, hashes, ready));
  if (!holds_any_) return Status::OK();
  const auto& records = *batch.records();
  for (int column = 0; column < schema_->num_fields(); ++column) {
    const auto source = column < records.num_columns() ? records.column_data(column) : hashes;
    for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
      const std::int64_t count = starts_[channel + 1] - starts_[channel];
      if (count > 0 && !shares(channel))
        HR_RETURN_NOT_OK(
            channels_[channel].columns[static_cast<std::size_t>(column)]->Append(*source, indices_.data() + starts_[channel], count));
    }
  }
  for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
    if (shares(channel)) continue;
    Channel& target = channels_[channel];
    target.rows += starts_[channel + 1] - starts_[channel];
    pending_rows_ += starts_[channel + 1] - starts_[channel];
    std::int64_t bytes = 0;
    for (const auto& column : target.columns) bytes += column->size_bytes();
    if (target.rows > 0 && (bytes >= options_.target_bytes || target.rows >= options_.max_rows)) HR_RETURN_NOT_OK(Emit(channel, ready));
  }
  return Status::OK();
}

Status HashPartitioner::GatherShared(const columnar::DataBatch& batch, const std::shared_ptr<arrow::ArrayData>& hashes,
                                     std::vector<Piece>* ready) {
  const auto& records = *batch.records();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(shared_.size());
  std::int64_t rows = 0;
  for (std::size_t column = 0; column < shared_.size(); ++column) {
    const auto source = static_cast<int>(column) < records.num_columns() ? records.column_data(static_cast<int>(column)) : hashes;
    rows = 0;
    for (std::uint32_t first = 0, last = 0; first < options_.channels; first = last + 1) {
      for (last = first; last < options_.channels && shares(last); ++last) {
      }
      const std::int64_t count = starts_[last] - starts_[first];
      if (count > 0) HR_RETURN_NOT_OK(shared_[column]->Append(*source, indices_.data() + starts_[first], count));
      rows += count;
    }
    HR_ASSIGN_OR_RAISE(auto data, shared_[column]->Finish());
    columns.push_back(std::move(data));
  }
  const columnar::DataBatch shared(arrow::RecordBatch::Make(schema_, rows, std::move(columns)));
  std::int64_t at = 0;
  for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
    const std::int64_t count = starts_[channel + 1] - starts_[channel];
    if (count == 0 || !shares(channel)) continue;
    ready->push_back({channel, BatchPart{shared, at, count}});
    at += count;
  }
  return Status::OK();
}

Status HashPartitioner::Emit(std::uint32_t channel, std::vector<Piece>* ready) {
  Channel& source = channels_[channel];
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(source.columns.size());
  for (const auto& column : source.columns) {
    HR_ASSIGN_OR_RAISE(auto data, column->Finish());
    columns.push_back(std::move(data));
  }
  const std::int64_t rows = std::exchange(source.rows, 0);
  pending_rows_ -= rows;
  ready->push_back({channel, columnar::DataBatch(arrow::RecordBatch::Make(schema_, rows, std::move(columns)))});
  return Status::OK();
}

Status HashPartitioner::Flush(std::vector<Piece>* ready) {
  if (pending_rows_ == 0) return Status::OK();
  for (std::uint32_t channel = 0; channel < options_.channels; ++channel) {
    if (channels_[channel].rows > 0) HR_RETURN_NOT_OK(Emit(channel, ready));
  }
  return Status::OK();
}

}  // namespace headrace::data::exchange
