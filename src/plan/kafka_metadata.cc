#include "plan/kafka_metadata.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/nearest_name.h"
#include "plan/function_types.h"

namespace headrace::plan {
namespace {

using What = MetadataColumn::What;

struct Known {
  std::string_view name;
  What what;
  std::string_view types;
};
constexpr std::array<Known, 6> kKnown = {{{"topic", What::kTopic, "text"},
                                          {"partition", What::kPartition, "int32 or int64"},
                                          {"offset", What::kOffset, "int64"},
                                          {"timestamp", What::kTimestamp, "timestamp or int64 (ms)"},
                                          {"key", What::kKey, "binary or text"},
                                          {"headers", What::kHeaders, "a list of structs (key: text, value: binary or text)"}}};

bool IsBytes(const arrow::DataType& type) { return type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY; }

bool TakesHeaders(const arrow::DataType& type) {
  if (type.id() != arrow::Type::LIST) return false;
  const arrow::DataType& item = *static_cast<const arrow::ListType&>(type).value_type();
  return item.id() == arrow::Type::STRUCT && item.num_fields() == 2 && item.field(0)->name() == "key" && item.field(1)->name() == "value" &&
         item.field(0)->type()->id() == arrow::Type::STRING && IsBytes(*item.field(1)->type());
}

bool Takes(What what, const arrow::DataType& type) {
  const auto id = type.id();
  switch (what) {
    case What::kTopic:
      return id == arrow::Type::STRING;
    case What::kPartition:
      return id == arrow::Type::INT32 || id == arrow::Type::INT64;
    case What::kOffset:
      return id == arrow::Type::INT64;
    case What::kTimestamp:
      return id == arrow::Type::INT64 ||
             (id == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(type).timezone().empty());
    case What::kKey:
      return IsBytes(type);
    case What::kHeaders:
      return TakesHeaders(type);
  }
  return false;
}

}  // namespace

Result<std::vector<MetadataColumn>> MetadataColumns(std::string_view json) {
  std::vector<MetadataColumn> columns;
  if (json.empty()) return columns;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Status::Invalid("it is no JSON object from columns to what they hold");
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  for (const auto& [column, what] : parsed.items()) {
    if (!what.is_string() || column.empty()) return Status::Invalid("it is no JSON object from columns to what they hold");
    const auto& name = what.get_ref<const std::string&>();
    const auto* const found = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& known) { return known.name == name; });
    if (found == kKnown.end())
      return Status::Invalid(
          fmt::format("a Kafka record has {}, but no \"{:.60}\"{}", fmt::join(names, ", "), name, DidYouMean(name, names)));
    columns.push_back({column, found->what});
  }
  return columns;
}

Status CheckMetadataType(const MetadataColumn& metadata, const arrow::DataType& type) {
  if (Takes(metadata.what, type)) return Status::OK();
  const Known& known = kKnown[static_cast<std::size_t>(metadata.what)];
  return Status::Invalid(
      fmt::format("column \"{}\" is a {}, but the record's {} is {}", metadata.column, TypeName(type), known.name, known.types));
}

}  // namespace headrace::plan
