#include "data/format/written_schema.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "columnar/data_batch.h"

namespace headrace::data::format {
namespace {

using Json = nlohmann::ordered_json;
using arrow::Type;

/// The columns that are written, __row_kind as the text that it becomes.
arrow::FieldVector Written(const arrow::Schema& rows) {
  arrow::FieldVector fields;
  for (const auto& field : rows.fields()) {
    if (field->name() == columnar::kRowKindColumn)
      fields.push_back(arrow::field(field->name(), arrow::utf8(), false));
    else if (!field->name().starts_with("__"))
      fields.push_back(field);
  }
  return fields;
}

Status CheckName(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto legal = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  if (!name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), legal)) return Status::OK();
  return Status::Invalid(
      fmt::format("\"{:.100}\" is no name there: letters, digits and underscores, no digit first; rename the column with select()", name));
}

Status NoType(const arrow::Field& field, std::string_view format) {
  return Status::Invalid(fmt::format("column \"{}\": {} has no type for {}", field.name(), format, field.type()->ToString()));
}

std::pair<std::string, std::string> SpaceAndName(const std::string& full) {
  const std::size_t dot = full.rfind('.');
  return dot == std::string::npos ? std::pair(std::string(), full) : std::pair(full.substr(0, dot), full.substr(dot + 1));
}

std::string_view UnitName(arrow::TimeUnit::type unit) {
  return unit == arrow::TimeUnit::NANO ? "nanos" : unit == arrow::TimeUnit::MICRO ? "micros" : "millis";
}

Result<Json> AvroRecord(const arrow::FieldVector& fields, const std::string& name);

Result<Json> AvroType(const arrow::Field& field, const std::string& record) {
  const arrow::DataType& type = *field.type();
  switch (type.id()) {
    case Type::BOOL:
      return Json("boolean");
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::UINT8:
    case Type::UINT16:
      return Json("int");
    case Type::INT64:
    case Type::UINT32:
    case Type::UINT64:
      return Json("long");
    case Type::FLOAT:
      return Json("float");
    case Type::DOUBLE:
      return Json("double");
    case Type::STRING:
    case Type::DURATION:
      return Json("string");
    case Type::BINARY:
      return Json("bytes");
    case Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      return Json{{"type", "bytes"}, {"logicalType", "decimal"}, {"precision", decimal.precision()}, {"scale", decimal.scale()}};
    }
    case Type::DATE32:
      return Json{{"type", "int"}, {"logicalType", "date"}};
    case Type::TIME64:
      return Json{{"type", "long"}, {"logicalType", "time-micros"}};
    case Type::TIMESTAMP: {
      const auto& stamp = static_cast<const arrow::TimestampType&>(type);
      return Json{{"type", "long"},
                  {"logicalType", fmt::format("{}timestamp-{}", stamp.timezone().empty() ? "local-" : "", UnitName(stamp.unit()))}};
    }
    case Type::LIST: {
      const arrow::Field& item = *type.field(0);
      HR_ASSIGN_OR_RAISE(Json items, AvroType(item, record));
      if (item.nullable()) items = Json::array({"null", std::move(items)});
      return Json{{"type", "array"}, {"items", std::move(items)}};
    }
    case Type::STRUCT:
      return AvroRecord(type.fields(), record);
    default:
      return NoType(field, "Avro");
  }
}

Result<Json> AvroRecord(const arrow::FieldVector& fields, const std::string& name) {
  Json out{{"type", "record"}, {"name", name}, {"fields", Json::array()}};
  for (const auto& field : fields) {
    HR_RETURN_NOT_OK(CheckName(field->name()));
    HR_ASSIGN_OR_RAISE(Json type, AvroType(*field, name + "_" + field->name()));
    Json written{{"name", field->name()}};
    written["type"] = field->nullable() ? Json::array({"null", std::move(type)}) : std::move(type);
    if (field->nullable()) written["default"] = nullptr;
    out["fields"].push_back(std::move(written));
  }
  return out;
}

/// Messages of structs stand inside the message whose field has them.
Status ProtobufMessage(const arrow::FieldVector& fields, const std::string& name, const std::string& indent, bool* stamps, bool* spans,
                       std::string* out);

Result<std::string> ProtobufType(const arrow::Field& field, bool* stamps, bool* spans) {
  switch (field.type()->id()) {
    case Type::BOOL:
      return "bool";
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
      return "int32";
    case Type::INT64:
      return "int64";
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
      return "uint32";
    case Type::UINT64:
      return "uint64";
    case Type::FLOAT:
      return "float";
    case Type::DOUBLE:
      return "double";
    case Type::STRING:
    case Type::DECIMAL128:
    case Type::DATE32:
    case Type::TIME64:
      return "string";
    case Type::BINARY:
      return "bytes";
    case Type::TIMESTAMP:
      *stamps = true;
      return "google.protobuf.Timestamp";
    case Type::DURATION:
      *spans = true;
      return "google.protobuf.Duration";
    default:
      return NoType(field, "Protobuf");
  }
}

Status ProtobufMessage(const arrow::FieldVector& fields, const std::string& name, const std::string& indent, bool* stamps, bool* spans,
                       std::string* out) {
  *out += fmt::format("{}message {} {{\n", indent, name);
  int number = 0;
  for (const auto& field : fields) {
    HR_RETURN_NOT_OK(CheckName(field->name()));
    const bool list = field->type()->id() == Type::LIST;
    const arrow::Field& value = list ? *field->type()->field(0) : *field;
    if (list && value.type()->id() == Type::LIST) return NoType(*field, "Protobuf");
    std::string type = "Of_" + field->name();
    if (value.type()->id() == Type::STRUCT) {
      HR_RETURN_NOT_OK(ProtobufMessage(value.type()->fields(), type, indent + "  ", stamps, spans, out));
    } else {
      HR_ASSIGN_OR_RAISE(type, ProtobufType(value, stamps, spans));
    }
    const std::string_view label = list ? "repeated " : field->nullable() ? "optional " : "";
    *out += fmt::format("{}  {}{} {} = {};\n", indent, label, type, field->name(), ++number);
  }
  *out += indent + "}\n";
  return Status::OK();
}

Result<Json> JsonObject(const arrow::FieldVector& fields, TimestampText timestamps);

Result<Json> JsonType(const arrow::Field& field, TimestampText timestamps) {
  const arrow::DataType& type = *field.type();
  const auto text = [](const char* form) { return Json{{"type", "string"}, {"format", form}}; };
  switch (type.id()) {
    case Type::BOOL:
      return Json{{"type", "boolean"}};
    case Type::FLOAT:
    case Type::DOUBLE:
      return Json{{"type", Json::array({"number", "null"})}};  // NaN and infinities are null
    case Type::STRING:
    case Type::DECIMAL128:
      return Json{{"type", "string"}};
    case Type::BINARY:
      return Json{{"type", "string"}, {"contentEncoding", "base64"}};
    case Type::DATE32:
      return text("date");
    case Type::TIME64:
      return text("time");
    case Type::TIMESTAMP:
      return timestamps == TimestampText::kMilliseconds ? Json{{"type", "integer"}} : text("date-time");
    case Type::DURATION:
      return text("duration");
    case Type::LARGE_BINARY:
      return Json::object();
    case Type::LIST: {
      HR_ASSIGN_OR_RAISE(Json items, JsonType(*type.field(0), timestamps));
      if (type.field(0)->nullable() && items.contains("type") && items["type"].is_string())
        items["type"] = Json::array({items["type"], "null"});
      return Json{{"type", "array"}, {"items", std::move(items)}};
    }
    case Type::STRUCT:
      return JsonObject(type.fields(), timestamps);
    default:
      return Json{{"type", "integer"}};
  }
}

/// Closed, so that a registry takes a column that is added as a compatible change.
Result<Json> JsonObject(const arrow::FieldVector& fields, TimestampText timestamps) {
  Json out{{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}, {"additionalProperties", false}};
  for (const auto& field : fields) {
    HR_ASSIGN_OR_RAISE(Json type, JsonType(*field, timestamps));
    if (!field->nullable())
      out["required"].push_back(field->name());
    else if (type.contains("type") && type["type"].is_string())
      type["type"] = Json::array({type["type"], "null"});
    out["properties"][field->name()] = std::move(type);
  }
  return out;
}

}  // namespace

Result<std::string> AvroSchemaOf(const arrow::Schema& rows, const std::string& name) {
  const auto [space, last] = SpaceAndName(name);
  HR_RETURN_NOT_OK(CheckName(last));
  HR_ASSIGN_OR_RAISE(Json schema, AvroRecord(Written(rows), last));
  if (!space.empty()) schema["namespace"] = space;
  return schema.dump();
}

Result<std::string> ProtobufSchemaOf(const arrow::Schema& rows, const std::string& name) {
  const auto [space, last] = SpaceAndName(name);
  HR_RETURN_NOT_OK(CheckName(last));
  bool stamps = false, spans = false;
  std::string message;
  HR_RETURN_NOT_OK(ProtobufMessage(Written(rows), last, "", &stamps, &spans, &message));
  std::string text = "syntax = \"proto3\";\n";
  if (!space.empty()) text += fmt::format("package {};\n", space);
  if (spans) text += "import \"google/protobuf/duration.proto\";\n";
  if (stamps) text += "import \"google/protobuf/timestamp.proto\";\n";
  return text + message;
}

Result<std::string> JsonSchemaOf(const arrow::Schema& rows, const std::string& name, TimestampText timestamps) {
  HR_ASSIGN_OR_RAISE(const Json object, JsonObject(Written(rows), timestamps));
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", name}};
  schema.update(object);
  return schema.dump();
}

}  // namespace headrace::data::format
