#include "data/format/avro_records.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <utility>

namespace headrace::data::format {
namespace {

/// Of records without an id.
constexpr std::int32_t kOnlyWriter = -1;
constexpr std::size_t kMaxWriters = 10'000;

Result<std::unique_ptr<const AvroPlan>> PlanOf(const RegisteredSchema& schema, AvroRowDecoder* rows) {
  if (schema.type != "AVRO") return Status::Invalid("its schema is of type ", schema.type, ", not AVRO");
  if (!schema.references.empty()) return Status::Invalid("its schema refers to other subjects, which Avro records cannot yet");
  HR_ASSIGN_OR_RAISE(auto writer, AvroSchema::Parse(schema.text));
  return rows->PlanFor(std::move(writer));
}

}  // namespace

Result<std::unique_ptr<AvroRecords>> AvroRecords::Make(const std::shared_ptr<arrow::Schema>& schema,
                                                       std::shared_ptr<SchemaRegistry> registry, std::string_view writer_schema) {
  std::unique_ptr<AvroRecords> made(new AvroRecords());
  HR_ASSIGN_OR_RAISE(made->rows_, AvroRowDecoder::Make(schema));
  made->registry_ = std::move(registry);
  if (made->registry_ != nullptr) return made;
  HR_ASSIGN_OR_RAISE(auto writer, AvroSchema::Parse(writer_schema));
  HR_ASSIGN_OR_RAISE(made->writers_[kOnlyWriter].plan, made->rows_->PlanFor(std::move(writer)));
  made->last_ = &made->writers_[kOnlyWriter];
  return made;
}

Result<const AvroRecords::Writer*> AvroRecords::WriterOf(std::int32_t id) {
  if (const auto known = writers_.find(id); known != writers_.end()) return &known->second;
  if (writers_.size() >= kMaxWriters) return Status::Invalid("the topic's records have more than ", kMaxWriters, " schemas");
  HR_ASSIGN_OR_RAISE(const auto schema, registry_->ById(id));
  Writer writer;
  auto plan = PlanOf(*schema, rows_.get());
  if (plan.ok())
    writer.plan = std::move(*plan);
  else
    writer.refused = Status::Invalid(fmt::format("schema {}: {}", id, plan.status().message()));
  return &writers_.emplace(id, std::move(writer)).first->second;
}

Status AvroRecords::Append(std::string_view record) {
  if (registry_ != nullptr) {
    std::int32_t id = 0;
    HR_RETURN_NOT_OK(TakeSchemaId(&record, &id));
    if (last_ == nullptr || id != last_id_) {
      HR_ASSIGN_OR_RAISE(last_, WriterOf(id));
      last_id_ = id;
    }
  }
  return last_->plan == nullptr ? last_->refused : rows_->Append(record, *last_->plan);
}

}  // namespace headrace::data::format
