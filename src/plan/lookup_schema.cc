#include "plan/lookup_schema.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/nearest_name.h"
#include "plan/function_types.h"

namespace headrace::plan {
namespace {

constexpr std::size_t kMaxKeys = 8;

Status Wrong(const OperatorSpec& spec, std::string what, std::string hint = {}) {
  return Error(ErrorCode::kInvalidPlan, fmt::format("{}: {}", spec.Describe(), what), std::move(hint));
}

Result<const arrow::Field*> FieldOf(const OperatorSpec& spec, const arrow::Schema& schema, const std::string& name,
                                    std::string_view whose) {
  if (const int index = schema.GetFieldIndex(name); index >= 0) return schema.field(index).get();
  std::vector<std::string_view> names;
  for (const auto& field : schema.fields()) names.push_back(field->name());
  return Wrong(spec, fmt::format("the {} has no column \"{:.100}\"{}", whose, name, DidYouMean(name, names)),
               fmt::format("It has {}.", fmt::join(names, ", ")));
}

Status CheckKey(const OperatorSpec& spec, const arrow::Field& left, const arrow::Field& right) {
  const auto id = left.type()->id();
  if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY)
    return Wrong(spec, fmt::format("rows cannot be joined on \"{}\": a {} is no key", left.name(), TypeName(*left.type())));
  if (left.type()->Equals(*right.type()) || (IsInteger(*left.type()) && IsInteger(*right.type()))) return Status::OK();
  return Wrong(spec,
               fmt::format("\"{}\" is a {}, but the table's \"{}\" is a {}", left.name(), TypeName(*left.type()), right.name(),
                           TypeName(*right.type())),
               "Bring them to one type with select() and cast().");
}

/// What an outside table can give.
Status CheckOutside(const OperatorSpec& spec, const arrow::Schema& table) {
  for (const auto& field : table.fields()) {
    const auto id = field->type()->id();
    if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY || id == arrow::Type::DURATION)
      return Wrong(spec,
                   fmt::format("the table's column \"{}\" is a {}, which cannot be looked up", field->name(), TypeName(*field->type())),
                   "Take a query that makes a number, text, bool, date, time or timestamp of it.");
  }
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> LookupSchema(const OperatorSpec& spec, const LookupSpec& lookup, const arrow::Schema& input) {
  if (lookup.table == nullptr || lookup.table->schema == nullptr)
    return Wrong(spec, "its table has no columns", "Give the table's source a record type.");
  const arrow::Schema& table = *lookup.table->schema;
  if (lookup.on.empty() || lookup.on.size() > kMaxKeys)
    return Wrong(spec, fmt::format("it joins on {} columns; it takes 1 to {}", lookup.on.size(), kMaxKeys));
  for (const auto& [left, right] : lookup.on) {
    HR_ASSIGN_OR_RAISE(const arrow::Field* of_input, FieldOf(spec, input, left, "stream"));
    HR_ASSIGN_OR_RAISE(const arrow::Field* of_table, FieldOf(spec, table, right, "table"));
    HR_RETURN_NOT_OK(CheckKey(spec, *of_input, *of_table));
  }
  if (lookup.table->IsLookedUpIn()) HR_RETURN_NOT_OK(CheckOutside(spec, table));
  arrow::FieldVector fields = input.fields();
  for (const auto& field : table.fields()) {
    const auto joined = [&](const auto& pair) { return pair.second == field->name(); };
    if (std::any_of(lookup.on.begin(), lookup.on.end(), joined)) continue;
    if (input.GetFieldIndex(field->name()) >= 0)
      return Wrong(spec, fmt::format("the stream and the table both have a column \"{}\"", field->name()), "Rename one with select().");
    fields.push_back(arrow::field(field->name(), field->type(), field->nullable() || lookup.keep_unmatched));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace headrace::plan
