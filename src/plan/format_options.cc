#include "plan/format_options.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest_name.h"
#include "plan/connector_options.h"
#include "plan/function_types.h"

namespace headrace::plan {
namespace {

std::string FormatOf(const ConnectorSpec& spec, bool is_source) {
  return spec.kind == "kafka"  ? OptionString(spec, is_source, "value_format")
         : spec.kind == "file" ? OptionString(spec, is_source, "format")
                               : "";
}

bool NeedsRowType(std::string_view format) { return format == "csv" || format == "parquet" || HasSchema(format); }

std::string NamesOf(const arrow::Schema& schema) { return fmt::format("{}", fmt::join(schema.field_names(), ", ")); }

Status CheckCsv(const ConnectorSpec& spec, std::string_view who) {
  if (OptionString(spec, true, "csv_delimiter").size() != 1)
    return Error(ErrorCode::kBadOption,
                 fmt::format("{}: csv_delimiter is \"{}\", but must be one character", who, OptionString(spec, true, "csv_delimiter")));
  const auto names = ColumnNames(OptionString(spec, true, "csv_columns"));
  if (!names.ok()) return Error(ErrorCode::kBadOption, fmt::format("{}: csv_columns: {}", who, names.status().message()));
  if (names->empty() && !OptionBool(spec, true, "csv_header"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: files without a header need csv_columns", who),
                 "Name the columns of the files in their order.");
  for (const auto& field : spec.schema->fields()) {
    const auto id = field->type()->id();
    if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY)
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: column \"{}\" is a {}, which CSV has no text for", who, field->name(), TypeName(*field->type())),
                   "Read JSON lines or Parquet instead.");
  }
  return Status::OK();
}

bool HoldsAnyValue(const arrow::DataType& type) {
  return type.id() == arrow::Type::LARGE_BINARY ||
         std::any_of(type.fields().begin(), type.fields().end(), [](const auto& field) { return HoldsAnyValue(*field->type()); });
}

Status CheckParquetColumns(const arrow::Schema& schema, std::string_view who) {
  for (const auto& field : schema.fields()) {
    if (HoldsAnyValue(*field->type()))
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: column \"{}\" is a {}, which Parquet has no type for", who, field->name(), TypeName(*field->type())),
                   "Give the column a type of its own, or leave it out.");
  }
  return Status::OK();
}

/// Options of a Kafka sink that writes records of a schema.
Status CheckSinkSchema(const ConnectorSpec& spec, std::string_view format, std::string_view who) {
  if (spec.kind != "kafka") return Status::OK();
  const bool registry = spec.options.contains("schema_registry"), latest = OptionBool(spec, false, "use_latest");
  if (!HasSchema(format)) {
    for (const char* option : {"schema_registry", "schema_registry_auth", "schema_registry_ca", "schema_registry_certificate",
                               "schema_registry_key", "subject_strategy", "record_name", "schema", "auto_register", "use_latest"})
      if (spec.options.contains(option))
        return Error(ErrorCode::kBadOption, fmt::format("{}: value_format={} takes no {}", who, format, option),
                     "avro, protobuf and json_schema do.");
    return Status::OK();
  }
  if (!registry && (format == "json_schema" || latest))
    return Error(ErrorCode::kBadOption,
                 fmt::format("{}: {} needs a schema_registry", who, latest ? "use_latest" : "value_format=json_schema"));
  if (latest && spec.options.contains("schema"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: schema and use_latest exclude each other", who));
  if (latest && !spec.options.contains("record_name") && OptionString(spec, false, "subject_strategy") != "topic")
    return Error(ErrorCode::kBadOption, fmt::format("{}: the subject of use_latest has the record's name in it: give record_name", who));
  return Status::OK();
}

bool IsIdentifier(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// Columns that records of a schema cannot have.
Status CheckRecordColumns(const arrow::FieldVector& fields, std::string_view format, std::string_view who) {
  for (const auto& field : fields) {
    if (format != "json_schema" && !IsIdentifier(field->name()))
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: \"{:.100}\" is no name of a field in {}: letters, digits and underscores, no digit first", who,
                               field->name(), format),
                   "Rename the column with select().");
    const arrow::DataType* type = field->type().get();
    if (type->id() == arrow::Type::LIST) type = type->field(0)->type().get();
    const bool nested_list = format == "protobuf" && type->id() == arrow::Type::LIST && field->type()->id() == arrow::Type::LIST;
    if (nested_list || (format != "json_schema" && HoldsAnyValue(*type)))
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: column \"{}\" is a {}, which {} has no type for", who, field->name(), TypeName(*field->type()), format),
                   "Leave it out with select(), or give it a type of its own.");
    if (type->id() == arrow::Type::STRUCT) HR_RETURN_NOT_OK(CheckRecordColumns(type->fields(), format, who));
  }
  return Status::OK();
}

Status CheckParquetSource(const ConnectorSpec& spec, std::string_view who) {
  if (OptionString(spec, true, "on_error") != "fail")
    return Error(ErrorCode::kBadOption, fmt::format("{}: format=parquet has no records of which one could be bad alone", who),
                 "Leave on_error away: a file that does not go into the row type fails the job.");
  return CheckParquetColumns(*spec.schema, who);
}

}  // namespace

bool HasSchema(std::string_view format) { return format == "avro" || format == "protobuf" || format == "json_schema"; }

Result<std::vector<std::string>> ColumnNames(std::string_view json) {
  std::vector<std::string> names;
  if (json.empty()) return names;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return Status::Invalid("it is no JSON array of names");
  for (const auto& name : parsed) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) return Status::Invalid("it is no JSON array of names");
    names.push_back(name.get<std::string>());
  }
  return names;
}

Status CheckFormat(const ConnectorSpec& spec, bool is_source, std::string_view who) {
  const std::string format = FormatOf(spec, is_source);
  if (!is_source) return CheckSinkSchema(spec, format, who);
  if (format.empty()) return Status::OK();
  if (spec.schema == nullptr) {
    if (!NeedsRowType(format)) return Status::OK();
    return Error(ErrorCode::kBadOption, fmt::format("{}: format={} gives typed rows, but it has no row type", who, format),
                 "Give it row_type=…");
  }
  if (format == "string" || format == "bytes" || format == "lines") {
    return Error(ErrorCode::kBadOption,
                 fmt::format("{}: it has a row type, but {} have no columns", who, format == "bytes" ? "bytes" : "lines of text"),
                 spec.kind == "kafka" ? "Use value_format=\"json\", or leave row_type away."
                                      : "Use format=\"json\" or \"csv\", or leave row_type away.");
  }
  const bool registry = !OptionString(spec, true, "schema_registry").empty(), schema = !OptionString(spec, true, "schema").empty();
  const bool avro_file = spec.kind == "file" && format == "avro" && !registry && !schema;
  if (HasSchema(format) && format != "json_schema" && registry == schema && !avro_file) {
    return Error(ErrorCode::kBadOption, fmt::format("{}: {} takes either schema_registry or schema", who, format),
                 "Name the registry, or give the schema of all records.");
  }
  if (!HasSchema(format) && (registry || schema))
    return Error(ErrorCode::kBadOption, fmt::format("{}: {} takes no schema; avro, protobuf and json_schema do", who, format));
  if (format == "parquet") return CheckParquetSource(spec, who);
  return format == "csv" ? CheckCsv(spec, who) : Status::OK();
}

Status CheckSinkRows(const ConnectorSpec& sink, const arrow::Schema* rows, std::string_view who) {
  const std::string format = FormatOf(sink, false);
  if (rows == nullptr && NeedsRowType(format))
    return Error(ErrorCode::kBadOption, fmt::format("{}: format={} takes typed rows, but these have no columns", who, format),
                 sink.kind == "kafka" ? "Use value_format=\"json\"." : "Use format=\"json\" or \"lines\".");
  if (rows != nullptr && format == "csv") {
    for (const auto& field : rows->fields()) {
      const auto id = field->type()->id();
      if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY)
        return Error(ErrorCode::kBadOption,
                     fmt::format("{}: column \"{}\" is a {}, which CSV has no text for", who, field->name(), TypeName(*field->type())),
                     "Leave it out with select(), or write JSON lines or Parquet.");
    }
  }
  if (rows != nullptr && HasSchema(format)) HR_RETURN_NOT_OK(CheckRecordColumns(rows->fields(), format, who));
  if (rows != nullptr && format == "parquet") HR_RETURN_NOT_OK(CheckParquetColumns(*rows, who));
  if (sink.kind != "kafka") return Status::OK();
  const auto keys = ColumnNames(OptionString(sink, false, "key_columns"));
  if (!keys.ok()) return Error(ErrorCode::kBadOption, fmt::format("{}: key_columns: {}", who, keys.status().message()));
  if (keys->empty()) return Status::OK();
  if (rows == nullptr)
    return Error(ErrorCode::kBadOption, fmt::format("{}: key_columns are of typed rows, but these have no columns", who),
                 "The key of untyped rows is that of key_by().");
  for (const std::string& key : *keys) {
    if (rows->GetFieldIndex(key) >= 0) continue;
    const auto names = rows->field_names();
    return Error(
        ErrorCode::kInvalidPlan,
        fmt::format("{}: there is no column \"{:.100}\" for the message key{}", who, key, DidYouMean(key, {names.begin(), names.end()})),
        fmt::format("The rows have {}.", NamesOf(*rows)));
  }
  return Status::OK();
}

}  // namespace headrace::plan
