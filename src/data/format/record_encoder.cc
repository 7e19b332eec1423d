#include "data/format/record_encoder.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "data/format/avro_schema.h"
#include "data/format/protobuf_schema.h"
#include "data/format/written_schema.h"

namespace headrace::data::format {
namespace {

using Format = RecordEncoderOptions::Format;
using Subject = RecordEncoderOptions::Subject;

constexpr char kHint[] = "Change the rows with select(), or say another schema.";

const char* TypeOf(Format format) { return format == Format::kAvro ? "AVRO" : format == Format::kProtobuf ? "PROTOBUF" : "JSON"; }

Result<std::string> SchemaOfRows(const RecordEncoderOptions& options) {
  switch (options.format) {
    case Format::kAvro:
      return AvroSchemaOf(*options.rows, options.record_name);
    case Format::kProtobuf:
      return ProtobufSchemaOf(*options.rows, options.record_name);
    default:
      return JsonSchemaOf(*options.rows, options.record_name, options.timestamps);
  }
}

std::string SubjectOf(const RecordEncoderOptions& options, const std::string& record) {
  if (options.subject == Subject::kTopic) return options.topic + "-value";
  return options.subject == Subject::kRecord ? record : options.topic + "-" + record;
}

/// The path of indexes from the file to a message; a single 0 stands for the first one.
std::string PlaceOf(const google::protobuf::Descriptor& message) {
  std::vector<int> path;
  for (const auto* at = &message; at != nullptr; at = at->containing_type()) path.push_back(at->index());
  if (path.size() == 1 && path[0] == 0) return std::string(1, '\0');
  std::string place;
  const auto put = [&](std::size_t value) {
    std::size_t bits = value << 1;
    for (; bits >= 0x80; bits >>= 7) place.push_back(static_cast<char>(bits | 0x80));
    place.push_back(static_cast<char>(bits));
  };
  put(path.size());
  for (std::size_t i = path.size(); i-- > 0;) put(static_cast<std::size_t>(path[i]));
  return place;
}

}  // namespace

Result<std::unique_ptr<RecordEncoder>> RecordEncoder::Make(const RecordEncoderOptions& options) {
  std::unique_ptr<RecordEncoder> made(new RecordEncoder());
  made->timestamps_ = options.timestamps;
  std::shared_ptr<SchemaRegistry> registry;
  if (!options.registry.url.empty()) {
    HR_ASSIGN_OR_RAISE(registry, SchemaRegistry::Get(options.registry));
  }
  std::int32_t id = 0;
  RegisteredSchema schema{TypeOf(options.format), options.schema, {}};
  if (registry != nullptr && options.uses_latest) {
    const std::string subject = SubjectOf(options, options.record_name);
    HR_ASSIGN_OR_RAISE(std::tie(id, schema), registry->Latest(subject));
    if (schema.type != TypeOf(options.format))
      return Error(ErrorCode::kBadOption, fmt::format("the newest schema of subject \"{:.200}\" is of type {}, not {}", subject,
                                                      schema.type, TypeOf(options.format)));
  } else if (schema.text.empty()) {
    auto text = SchemaOfRows(options);
    if (!text.ok()) return Error(ErrorCode::kBadOption, "no schema can be made of the rows: " + text.status().message(), kHint);
    schema.text = std::move(*text);
  }
  const Status used = made->UseSchema(options, schema);
  if (!used.ok()) return Error(ErrorCode::kBadOption, "the rows do not go into the schema: " + used.message(), kHint);
  if (registry == nullptr) return made;
  if (!options.uses_latest) {
    HR_ASSIGN_OR_RAISE(id, registry->IdOf(SubjectOf(options, made->full_name_), schema, options.registers));
  }
  PutSchemaId(id, &made->head_);
  made->head_ += made->message_place_;
  return made;
}

Status RecordEncoder::UseSchema(const RecordEncoderOptions& options, const RegisteredSchema& schema) {
  switch (options.format) {
    case Format::kAvro: {
      if (!schema.references.empty()) return Status::Invalid("it refers to other subjects, which Avro records cannot yet");
      HR_ASSIGN_OR_RAISE(auto avro, AvroSchema::Parse(schema.text));
      full_name_ = avro->root().name;
      HR_ASSIGN_OR_RAISE(rows_, AvroRowWriter::Make(*options.rows, std::move(avro)));
      return Status::OK();
    }
    case Format::kProtobuf:
      return UseProtobuf(options, schema);
    default: {
      const auto json = nlohmann::json::parse(schema.text, nullptr, /*allow_exceptions=*/false);
      if (!json.is_object()) return Status::Invalid("it is no JSON Schema of an object");
      const auto title = json.find("title");
      full_name_ = title != json.end() && title->is_string() ? title->get<std::string>() : options.record_name;
      return Status::OK();
    }
  }
}

Status RecordEncoder::UseProtobuf(const RecordEncoderOptions& options, const RegisteredSchema& schema) {
  HR_ASSIGN_OR_RAISE(auto proto, ProtobufSchema::Parse(schema.text, schema.references));
  const auto* message = proto->MessageNamed(options.record_name);
  if (message == nullptr && options.record_name == RecordEncoderOptions().record_name) message = proto->MessageAt({0});
  if (message == nullptr) return Status::Invalid(fmt::format("it has no message \"{:.100}\"", options.record_name));
  full_name_ = message->full_name();
  message_place_ = PlaceOf(*message);
  HR_ASSIGN_OR_RAISE(rows_, ProtobufRowWriter::Make(*options.rows, std::move(proto), *message));
  return Status::OK();
}

Status RecordEncoder::Bind(const std::shared_ptr<arrow::RecordBatch>& rows) {
  if (auto* avro = std::get_if<std::unique_ptr<AvroRowWriter>>(&rows_)) return (*avro)->Bind(*rows);
  if (auto* protobuf = std::get_if<std::unique_ptr<ProtobufRowWriter>>(&rows_)) return (*protobuf)->Bind(*rows);
  HR_ASSIGN_OR_RAISE(rows_, JsonRowWriter::Make(rows, timestamps_));
  return Status::OK();
}

Status RecordEncoder::Append(std::int64_t row, std::string* out) {
  out->append(head_);
  if (auto* avro = std::get_if<std::unique_ptr<AvroRowWriter>>(&rows_)) return (*avro)->Append(row, out);
  if (auto* protobuf = std::get_if<std::unique_ptr<ProtobufRowWriter>>(&rows_)) return (*protobuf)->Append(row, out);
  return std::get<std::optional<JsonRowWriter>>(rows_)->Append(row, out);
}

}  // namespace headrace::data::format
