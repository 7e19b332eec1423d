#include "columnar/ipc.h"

#include <arrow/array/data.h>
#include <arrow/array/validate.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bitmap_ops.h>

#include <type_traits>

#include "base/utf8.h"

namespace headrace::columnar {
namespace {

constexpr std::int64_t kMaxSchemaBytes = 1 << 20;
constexpr std::int64_t kMaxMetadataBytes = 1 << 20;
constexpr int kMaxColumns = 4096;

/// Types whose arrays are at most a validity, an offsets and a data buffer.
bool IsFlat(arrow::Type::type id) {
  return arrow::is_fixed_width(id) || id == arrow::Type::BINARY || id == arrow::Type::STRING || id == arrow::Type::LARGE_BINARY ||
         id == arrow::Type::LARGE_STRING;
}

Status CheckFlat(const arrow::Schema& schema) {
  if (schema.num_fields() > kMaxColumns)
    return Status::Invalid("a schema of ", schema.num_fields(), " columns; at most ", kMaxColumns, " are allowed");
  for (const auto& field : schema.fields()) {
    const auto id = field->type()->id();
    if (!IsFlat(id) || id == arrow::Type::DICTIONARY || id == arrow::Type::EXTENSION || field->type()->num_fields() != 0)
      return Status::Invalid("column ", field->name(), " has type ", field->type()->ToString(), ", which cannot travel");
  }
  return Status::OK();
}

/// Refuses all but small allocations: decoding shares the body, so only compressed buffers, which are never sent, would need more.
class NoCopyPool final : public arrow::MemoryPool {
 public:
  Status Allocate(std::int64_t size, std::int64_t alignment, std::uint8_t** out) override {
    return size <= kMaxBytes ? pool()->Allocate(size, alignment, out) : Refuse();
  }
  Status Reallocate(std::int64_t old_size, std::int64_t new_size, std::int64_t alignment, std::uint8_t** ptr) override {
    return new_size <= kMaxBytes ? pool()->Reallocate(old_size, new_size, alignment, ptr) : Refuse();
  }
  void Free(std::uint8_t* buffer, std::int64_t size, std::int64_t alignment) override { pool()->Free(buffer, size, alignment); }
  std::int64_t bytes_allocated() const override { return 0; }
  std::int64_t total_bytes_allocated() const override { return 0; }
  std::int64_t num_allocations() const override { return 0; }
  std::string backend_name() const override { return pool()->backend_name(); }

 private:
  static constexpr std::int64_t kMaxBytes = 4096;
  static arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }
  static Status Refuse() { return Status::Invalid("a batch with compressed or copied buffers"); }
};

template <typename Offset>
Status CheckOffsets(const arrow::ArrayData& data, const arrow::Field& field) {
  const auto* offsets = data.GetValues<Offset>(1);
  const std::int64_t limit = data.buffers[2] == nullptr ? 0 : data.buffers[2]->size();
  if (offsets == nullptr) return data.length == 0 ? Status::OK() : Status::Invalid("column ", field.name(), " has no offsets");
  // Without a branch: a negative offset or step leaves the sign bit set. Steps between offsets that are not negative do not overflow.
  using Bits = std::make_unsigned_t<Offset>;
  auto bits = static_cast<Bits>(offsets[0]);
  for (std::int64_t i = 0; i < data.length; ++i)
    bits |= static_cast<Bits>(offsets[i + 1]) | (static_cast<Bits>(offsets[i + 1]) - static_cast<Bits>(offsets[i]));
  const bool ordered = static_cast<Offset>(bits) >= 0;
  if (!ordered || static_cast<std::int64_t>(offsets[data.length]) > limit)
    return Status::Invalid("column ", field.name(), " has offsets outside its data");
  return Status::OK();
}

template <typename Offset>
Status CheckText(const arrow::ArrayData& data, const arrow::Field& field) {
  HR_RETURN_NOT_OK(CheckOffsets<Offset>(data, field));
  if (data.length == 0 || data.buffers[2] == nullptr) return Status::OK();
  const auto* offsets = data.GetValues<Offset>(1);
  const auto* bytes = reinterpret_cast<const char*>(data.buffers[2]->data());
  auto view = [&](Offset from, Offset to) { return std::string_view(bytes + from, static_cast<std::size_t>(to - from)); };
  if (IsAscii(view(offsets[0], offsets[data.length]))) return Status::OK();
  bool valid = IsUtf8(view(offsets[0], offsets[data.length]));
  // The whole may be well-formed while a row starts inside a character.
  for (std::int64_t i = 0; valid && i < data.length; ++i)
    valid = offsets[i] == offsets[i + 1] || (static_cast<unsigned char>(bytes[offsets[i]]) & 0xC0) != 0x80;
  return valid ? Status::OK() : Status::Invalid("column ", field.name(), " holds text that is not UTF-8");
}

Status CheckColumn(const arrow::ArrayData& data, const arrow::Field& field) {
  HR_RETURN_NOT_OK(arrow::internal::ValidateArray(data));
  const std::int64_t null_count = data.null_count.load();
  if (data.buffers[0] != nullptr && null_count != arrow::kUnknownNullCount &&
      null_count != data.length - arrow::internal::CountSetBits(data.buffers[0]->data(), data.offset, data.length))
    return Status::Invalid("column ", field.name(), " miscounts its nulls");
  switch (data.type->id()) {
    case arrow::Type::STRING:
      return CheckText<std::int32_t>(data, field);
    case arrow::Type::LARGE_STRING:
      return CheckText<std::int64_t>(data, field);
    case arrow::Type::BINARY:
      return CheckOffsets<std::int32_t>(data, field);
    case arrow::Type::LARGE_BINARY:
      return CheckOffsets<std::int64_t>(data, field);
    default:
      return Status::OK();
  }
}

}  // namespace

Result<EncodedBatch> EncodeBatch(const DataBatch& batch) {
  arrow::ipc::IpcPayload payload;
  HR_RETURN_NOT_OK(arrow::ipc::GetRecordBatchPayload(*batch.records(), arrow::ipc::IpcWriteOptions::Defaults(), &payload));
  EncodedBatch encoded;
  encoded.metadata = std::move(payload.metadata);
  encoded.body = std::move(payload.body_buffers);
  encoded.body_bytes = payload.body_length;
  return encoded;
}

Result<std::shared_ptr<arrow::Buffer>> EncodeSchema(const arrow::Schema& schema) {
  HR_RETURN_NOT_OK(CheckFlat(schema));
  return arrow::ipc::SerializeSchema(schema);
}

Result<std::shared_ptr<arrow::Schema>> DecodeSchema(std::shared_ptr<arrow::Buffer> bytes) {
  if (bytes->size() > kMaxSchemaBytes)
    return Status::Invalid("a schema of ", bytes->size(), " bytes; at most ", kMaxSchemaBytes, " are allowed");
  arrow::io::BufferReader reader(std::move(bytes));
  arrow::ipc::DictionaryMemo memo;
  HR_ASSIGN_OR_RAISE(auto schema, arrow::ipc::ReadSchema(&reader, &memo));
  HR_RETURN_NOT_OK(CheckFlat(*schema));
  return schema;
}

Result<DataBatch> DecodeBatch(const std::shared_ptr<arrow::Schema>& schema, std::shared_ptr<arrow::Buffer> metadata,
                              std::shared_ptr<arrow::Buffer> body) {
  if (metadata->size() > kMaxMetadataBytes)
    return Status::Invalid("batch metadata of ", metadata->size(), " bytes; at most ", kMaxMetadataBytes, " are allowed");
  HR_ASSIGN_OR_RAISE(auto message, arrow::ipc::Message::Open(std::move(metadata), std::move(body)));
  if (message->type() != arrow::ipc::MessageType::RECORD_BATCH) return Status::Invalid("the metadata is not that of a batch");
  static NoCopyPool pool;
  arrow::ipc::IpcReadOptions options;
  options.memory_pool = &pool;
  options.use_threads = false;
  HR_ASSIGN_OR_RAISE(auto records, arrow::ipc::ReadRecordBatch(*message, schema, nullptr, options));
  if (records->num_rows() < 0) return Status::Invalid("a batch of ", records->num_rows(), " rows");
  for (int i = 0; i < records->num_columns(); ++i) {
    const auto& data = *records->column_data(i);
    if (data.length != records->num_rows()) return Status::Invalid("columns of unequal length");
    HR_RETURN_NOT_OK(CheckColumn(data, *schema->field(i)));
  }
  return DataBatch(std::move(records));
}

}  // namespace headrace::columnar
