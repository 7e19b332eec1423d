#include "data/format/protobuf_records.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <utility>

namespace headrace::data::format {
namespace {

constexpr std::size_t kMaxWriters = 10'000;
constexpr std::int64_t kMaxPath = 50;

Status TakeIndex(std::string_view* record, std::int64_t* out) {
  std::uint64_t bits = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (record->empty()) break;
    const auto byte = static_cast<std::uint8_t>((*record)[0]);
    record->remove_prefix(1);
    bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) != 0) continue;
    *out = static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
    return Status::OK();
  }
  return Status::Invalid("the place of its message in the schema cannot be read");
}

/// The path of message indexes behind the id; a single 0 stands for the first message.
Status TakePath(std::string_view* record, std::vector<int>* path) {
  std::int64_t count = 0, index = 0;
  path->clear();
  HR_RETURN_NOT_OK(TakeIndex(record, &count));
  if (count == 0) path->push_back(0);
  if (count < 0 || count > kMaxPath) return Status::Invalid("the place of its message in the schema is ", count, " deep");
  for (; count > 0; --count) {
    HR_RETURN_NOT_OK(TakeIndex(record, &index));
    path->push_back(static_cast<int>(index));
  }
  return Status::OK();
}

Result<std::unique_ptr<ProtobufPlan>> PlanOf(const RegisteredSchema& registered, const std::vector<int>& path, ProtobufRowDecoder* rows) {
  if (registered.type != "PROTOBUF") return Status::Invalid("its schema is of type ", registered.type, ", not PROTOBUF");
  HR_ASSIGN_OR_RAISE(auto schema, ProtobufSchema::Parse(registered.text, registered.references));
  const auto* message = schema->MessageAt(path);
  if (message == nullptr) return Status::Invalid("its schema has no message at the place that it names");
  return rows->PlanFor(schema, *message);
}

}  // namespace

Result<std::unique_ptr<ProtobufRecords>> ProtobufRecords::Make(const std::shared_ptr<arrow::Schema>& schema,
                                                               std::shared_ptr<SchemaRegistry> registry, std::string_view schema_text,
                                                               const std::string& message) {
  std::unique_ptr<ProtobufRecords> made(new ProtobufRecords());
  HR_ASSIGN_OR_RAISE(made->rows_, ProtobufRowDecoder::Make(schema));
  made->registry_ = std::move(registry);
  if (made->registry_ != nullptr) return made;
  HR_ASSIGN_OR_RAISE(auto parsed, ProtobufSchema::Parse(schema_text, {}));
  const auto* descriptor = message.empty() ? parsed->MessageAt({0}) : parsed->MessageNamed(message);
  if (descriptor == nullptr) return Status::Invalid(fmt::format("the Protobuf schema has no message \"{:.100}\"", message));
  Writer& writer = made->writers_[Key()];
  HR_ASSIGN_OR_RAISE(writer.plan, made->rows_->PlanFor(parsed, *descriptor));
  made->last_ = &writer;
  return made;
}

Result<ProtobufRecords::Writer*> ProtobufRecords::WriterOf(const Key& key) {
  if (const auto known = writers_.find(key); known != writers_.end()) return &known->second;
  if (writers_.size() >= kMaxWriters) return Status::Invalid("the topic's records have more than ", kMaxWriters, " schemas");
  HR_ASSIGN_OR_RAISE(const auto schema, registry_->ById(key.first));
  Writer writer;
  auto plan = PlanOf(*schema, key.second, rows_.get());
  if (plan.ok())
    writer.plan = std::move(*plan);
  else
    writer.refused = Status::Invalid(fmt::format("schema {}: {}", key.first, plan.status().message()));
  return &writers_.emplace(key, std::move(writer)).first->second;
}

Status ProtobufRecords::Append(std::string_view record) {
  if (registry_ != nullptr) {
    HR_RETURN_NOT_OK(TakeSchemaId(&record, &key_.first));
    HR_RETURN_NOT_OK(TakePath(&record, &key_.second));
    if (last_ == nullptr || key_ != last_key_) {
      HR_ASSIGN_OR_RAISE(last_, WriterOf(key_));
      last_key_ = key_;
    }
  }
  return last_->plan == nullptr ? last_->refused : rows_->Append(record, last_->plan.get());
}

}  // namespace headrace::data::format
