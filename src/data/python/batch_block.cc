#include "data/python/batch_block.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "data/python/block_column.h"

namespace headrace::data::python {

namespace {

using columnar::ValueForm;

enum Role : std::uint32_t { kValue = 0, kKey = 1, kGroup = 2, kState = 3, kCounts = 4 };
constexpr std::uint64_t kHeaderBytes = 8, kColumnBytes = 56, kAlignment = 64;
constexpr std::uint32_t kMaxColumns = 16;

std::uint64_t Align(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }
bool HasOffsets(std::uint32_t form) { return form == 0 || form == 1 || form == 5; }

template <typename T>
void Store(std::uint8_t* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}
template <typename T>
T Load(const std::uint8_t* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

/// Offsets of a variable column as int64, whatever its own width, and its first data byte.
struct VariableColumn {
  const std::int64_t* offsets;
  const std::uint8_t* data;
};
VariableColumn VariableOf(const arrow::Array& array) {
  const auto& binary = static_cast<const arrow::LargeBinaryArray&>(array);  // large_utf8 derives from it
  return {binary.raw_value_offsets(), binary.raw_data()};
}

}  // namespace

Result<BlockWriter> BlockWriter::Make(const columnar::DataBatch& batch, const ReduceInput* reduce) {
  if (!batch || batch.value_column() < 0) return Status::Invalid("a batch without a value column cannot go to a Python worker");
  HR_ASSIGN_OR_RAISE(const ValueForm form, columnar::FormOf(*batch.records()->schema()->field(batch.value_column())));
  BlockWriter writer;
  writer.values_ = batch.records()->column(batch.value_column());
  writer.reduce_ = reduce;
  const arrow::Array& values = *writer.values_;
  if (values.null_count() != 0) return Status::Invalid("a value column with nulls cannot go to a Python worker");
  const auto rows = static_cast<std::uint64_t>(values.length());
  if (rows > std::numeric_limits<std::uint32_t>::max()) return Status::Invalid("too many rows in one batch");
  writer.columns_.push_back({kValue, static_cast<std::uint32_t>(form), rows});
  if (HasOffsets(static_cast<std::uint32_t>(form))) {
    const VariableColumn column = VariableOf(values);
    writer.columns_[0].data_length = rows == 0 ? 0 : static_cast<std::uint64_t>(column.offsets[rows] - column.offsets[0]);
  } else {
    writer.columns_[0].data_length = rows * (form == ValueForm::kBool ? 1 : 8);
  }
  if (reduce != nullptr) {
    HR_CHECK(reduce->groups.size() == rows, "a group for each row");
    writer.columns_.push_back({kGroup, static_cast<std::uint32_t>(ValueForm::kInt64), rows, 0, 0, rows * 8});
    std::uint64_t state_bytes = 0;
    for (const auto& state : reduce->states) state_bytes += state.size();
    writer.columns_.push_back({kState, static_cast<std::uint32_t>(ValueForm::kEncoded), reduce->states.size(), 0, 0, state_bytes});
  }
  std::uint64_t at = Align(kHeaderBytes + kColumnBytes * writer.columns_.size());
  for (Column& column : writer.columns_) {
    if (HasOffsets(column.form)) {
      column.offsets_at = at;
      at = Align(at + (column.rows + 1) * 8);
    }
    column.data_at = at;
    at = Align(at + column.data_length);
    if (column.role == kState) {
      column.validity_at = at;
      at = Align(at + column.rows);
    }
  }
  writer.size_ = at;
  return writer;
}

void BlockWriter::Write(std::uint8_t* out) const {
  Store(out, static_cast<std::uint32_t>(columns_[0].rows));
  Store(out + 4, static_cast<std::uint32_t>(columns_.size()));
  std::uint8_t* header = out + kHeaderBytes;
  for (const Column& column : columns_) {
    Store(header, column.role);
    Store(header + 4, column.form);
    const std::uint64_t fields[6] = {column.rows, column.offsets_at, column.data_at, column.data_length, column.validity_at, 0};
    std::memcpy(header + 8, fields, sizeof(fields));
    header += kColumnBytes;
    if (column.role == kValue) WriteValues(column, out);
    if (column.role == kGroup && column.rows > 0) std::memcpy(out + column.data_at, reduce_->groups.data(), column.rows * 8);
    if (column.role == kState) WriteStates(column, out);
  }
}

void BlockWriter::WriteValues(const Column& column, std::uint8_t* out) const {
  const arrow::Array& values = *values_;
  const std::uint64_t rows = column.rows;
  std::uint8_t* data = out + column.data_at;
  if (HasOffsets(column.form)) {
    auto* offsets = reinterpret_cast<std::int64_t*>(out + column.offsets_at);
    offsets[0] = 0;
    if (rows == 0) return;
    const VariableColumn source = VariableOf(values);
    const std::int64_t base = source.offsets[0];
    if (base == 0) {
      std::memcpy(offsets, source.offsets, (rows + 1) * 8);
    } else {
      for (std::uint64_t i = 0; i <= rows; ++i) offsets[i] = source.offsets[i] - base;
    }
    if (column.data_length > 0) std::memcpy(data, source.data + base, column.data_length);
    return;
  }
  if (rows == 0) return;
  if (column.form == static_cast<std::uint32_t>(ValueForm::kBool)) {
    const auto& bools = static_cast<const arrow::BooleanArray&>(values);
    for (std::uint64_t i = 0; i < rows; ++i) data[i] = bools.Value(static_cast<std::int64_t>(i)) ? 1 : 0;
    return;
  }
  std::memcpy(data, values.data()->GetValues<std::uint64_t>(1), rows * 8);
}

void BlockWriter::WriteStates(const Column& column, std::uint8_t* out) const {
  auto* offsets = reinterpret_cast<std::int64_t*>(out + column.offsets_at);
  std::uint8_t* data = out + column.data_at;
  std::uint8_t* validity = out + column.validity_at;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < reduce_->states.size(); ++i) {
    const std::string_view state = reduce_->states[i];
    offsets[i] = at;
    validity[i] = state.empty() ? 0 : 1;
    if (!state.empty()) std::memcpy(data + at, state.data(), state.size());
    at += static_cast<std::int64_t>(state.size());
  }
  offsets[reduce_->states.size()] = at;
}

namespace {

Status Broken(std::string what) { return Status::Invalid("malformed batch block: " + std::move(what)); }

/// [at, at + length) lies inside the block and starts aligned.
Status CheckRange(std::uint64_t at, std::uint64_t length, std::uint64_t size, const char* what) {
  if (at % kAlignment != 0 || at > size || length > size - at)
    return Broken(fmt::format("{} at {}+{} of {} bytes", what, at, length, size));
  return Status::OK();
}

Status CheckUtf8(const std::int64_t* offsets, std::uint64_t rows, const std::uint8_t* data, std::uint64_t length) {
  if (!arrow::util::ValidateUTF8(data, static_cast<std::int64_t>(length))) return Broken("text that is not UTF-8");
  for (std::uint64_t i = 0; i <= rows; ++i) {
    if (offsets[i] < static_cast<std::int64_t>(length) && (data[offsets[i]] & 0xC0) == 0x80) return Broken("text cut inside a character");
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> ReadVariable(const std::shared_ptr<arrow::Buffer>& bytes, const RawColumn& column) {
  const auto size = static_cast<std::uint64_t>(bytes->size());
  HR_RETURN_NOT_OK(CheckRange(column.offsets_at, (column.rows + 1) * 8, size, "offsets"));
  HR_RETURN_NOT_OK(CheckRange(column.data_at, column.data_length, size, "data"));
  const auto* offsets = reinterpret_cast<const std::int64_t*>(bytes->data() + column.offsets_at);
  std::int64_t last = 0;
  bool ordered = true;
  for (std::uint64_t i = 0; i <= column.rows; ++i) {
    ordered &= offsets[i] >= last;
    last = offsets[i];
  }
  if (!ordered || last > static_cast<std::int64_t>(column.data_length)) return Broken("offsets out of order");
  if (column.form == 1) HR_RETURN_NOT_OK(CheckUtf8(offsets, column.rows, bytes->data() + column.data_at, column.data_length));
  auto offsets_buffer =
      arrow::SliceBuffer(bytes, static_cast<std::int64_t>(column.offsets_at), static_cast<std::int64_t>((column.rows + 1) * 8));
  auto data_buffer = arrow::SliceBuffer(bytes, static_cast<std::int64_t>(column.data_at), static_cast<std::int64_t>(column.data_length));
  const auto rows = static_cast<std::int64_t>(column.rows);
  if (column.form == 1) return std::make_shared<arrow::LargeStringArray>(rows, offsets_buffer, data_buffer);
  return std::make_shared<arrow::LargeBinaryArray>(rows, offsets_buffer, data_buffer);
}

}  // namespace

Result<std::vector<RawColumn>> ReadColumnHeads(const arrow::Buffer& bytes, std::uint32_t most, std::uint32_t* rows) {
  const auto size = static_cast<std::uint64_t>(bytes.size());
  if (size < kHeaderBytes) return Broken("shorter than its header");
  *rows = Load<std::uint32_t>(bytes.data());
  const auto columns = Load<std::uint32_t>(bytes.data() + 4);
  if (columns > most || kHeaderBytes + columns * kColumnBytes > size) return Broken(fmt::format("{} columns in {} bytes", columns, size));
  std::vector<RawColumn> heads;
  heads.reserve(columns);
  for (std::uint32_t i = 0; i < columns; ++i) {
    const std::uint8_t* at = bytes.data() + kHeaderBytes + i * kColumnBytes;
    heads.push_back({Load<std::uint32_t>(at), Load<std::uint32_t>(at + 4), Load<std::uint64_t>(at + 8), Load<std::uint64_t>(at + 16),
                     Load<std::uint64_t>(at + 24), Load<std::uint64_t>(at + 32), Load<std::uint64_t>(at + 40)});
    if (heads.back().rows > std::numeric_limits<std::uint32_t>::max()) return Broken("row count of a column");
  }
  return heads;
}

Result<const std::uint8_t*> ReadValidity(const arrow::Buffer& bytes, const RawColumn& column) {
  if (column.validity_at == 0) return nullptr;
  HR_RETURN_NOT_OK(CheckRange(column.validity_at, column.rows, static_cast<std::uint64_t>(bytes.size()), "validity"));
  return bytes.data() + column.validity_at;
}

Result<std::shared_ptr<arrow::Array>> ReadColumn(const std::shared_ptr<arrow::Buffer>& bytes, const RawColumn& column) {
  if (column.form > 5) return Broken(fmt::format("unknown form {}", column.form));
  if (HasOffsets(column.form)) return ReadVariable(bytes, column);
  const auto rows = static_cast<std::int64_t>(column.rows);
  const bool is_bool = column.form == static_cast<std::uint32_t>(ValueForm::kBool);
  const std::uint64_t length = column.rows * (is_bool ? 1 : 8);
  HR_RETURN_NOT_OK(CheckRange(column.data_at, length, static_cast<std::uint64_t>(bytes->size()), "data"));
  if (column.data_length != length) return Broken("length of a fixed-width column");
  if (!is_bool) {
    auto data = arrow::SliceBuffer(bytes, static_cast<std::int64_t>(column.data_at), static_cast<std::int64_t>(length));
    if (column.form == static_cast<std::uint32_t>(ValueForm::kInt64)) return std::make_shared<arrow::Int64Array>(rows, data);
    return std::make_shared<arrow::DoubleArray>(rows, data);
  }
  HR_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows));
  const std::uint8_t* data = bytes->data() + column.data_at;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (data[i] != 0) bits->mutable_data()[i / 8] |= static_cast<std::uint8_t>(1u << (i % 8));
  }
  return std::make_shared<arrow::BooleanArray>(rows, std::shared_ptr<arrow::Buffer>(std::move(bits)));
}

namespace {

/// The columns of a block by role.
struct RawBlock {
  std::uint32_t rows = 0;
  std::optional<RawColumn> value, key, state;
};

Result<RawBlock> ReadHeaders(const arrow::Buffer& bytes) {
  RawBlock block;
  HR_ASSIGN_OR_RAISE(const auto columns, ReadColumnHeads(bytes, kMaxColumns, &block.rows));
  for (const RawColumn& column : columns) {
    auto* place = column.role == kValue ? &block.value : column.role == kKey ? &block.key : column.role == kState ? &block.state : nullptr;
    if (place == nullptr) return Broken(fmt::format("unexpected role {}", column.role));
    if (place->has_value()) return Broken("two columns of one role");
    *place = column;
  }
  return block;
}

}  // namespace

Result<StageResult> ReadBlock(const std::shared_ptr<arrow::Buffer>& bytes, const BlockExpectation& expectation) {
  HR_ASSIGN_OR_RAISE(const RawBlock block, ReadHeaders(*bytes));
  if (!block.value || block.value->rows != block.rows) return Broken("no value column of the block's rows");
  if (expectation.rows >= 0 && block.rows != expectation.rows)
    return Broken(fmt::format("{} rows instead of {}", block.rows, expectation.rows));
  if (block.key.has_value() != expectation.key || block.state.has_value() != (expectation.states >= 0))
    return Broken("columns of another kind of stage");
  StageResult result;
  HR_ASSIGN_OR_RAISE(auto values, ReadColumn(bytes, *block.value));
  std::shared_ptr<arrow::Array> keys;
  if (block.key) {
    if (block.key->rows != block.rows || block.key->form != static_cast<std::uint32_t>(ValueForm::kRawBytes)) return Broken("key column");
    HR_ASSIGN_OR_RAISE(keys, ReadColumn(bytes, *block.key));
  }
  if (block.state) {
    if (block.state->rows != static_cast<std::uint64_t>(expectation.states) ||
        block.state->form != static_cast<std::uint32_t>(ValueForm::kEncoded))
      return Broken("state column");
    if (block.state->validity_at != 0)
      HR_RETURN_NOT_OK(CheckRange(block.state->validity_at, block.state->rows, static_cast<std::uint64_t>(bytes->size()), "validity"));
    HR_ASSIGN_OR_RAISE(auto states, ReadColumn(bytes, *block.state));
    result.states = std::static_pointer_cast<arrow::LargeBinaryArray>(states);
  }
  HR_ASSIGN_OR_RAISE(result.batch, columnar::MakeValueBatch(static_cast<ValueForm>(block.value->form), std::move(values), std::move(keys)));
  return result;
}

}  // namespace headrace::data::python
