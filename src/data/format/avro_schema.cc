#include "data/format/avro_schema.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

namespace headrace::data::format {

using Json = nlohmann::json;
using Kind = AvroType::Kind;
using Logical = AvroType::Logical;

namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 60;
constexpr std::size_t kMaxTypes = 20'000;

const std::map<std::string, Kind, std::less<>>& Primitives() {
  static const std::map<std::string, Kind, std::less<>> kinds = {
      {"null", Kind::kNull},   {"boolean", Kind::kBoolean}, {"int", Kind::kInt},     {"long", Kind::kLong},
      {"float", Kind::kFloat}, {"double", Kind::kDouble},   {"bytes", Kind::kBytes}, {"string", Kind::kString}};
  return kinds;
}

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t NumberOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

/// What a logical type says that fits its Avro type; anything else is passed over, as Avro has it.
void SetLogical(const Json& json, AvroType* type) {
  const std::string logical = TextOf(json, "logicalType");
  const bool is_long = type->kind == Kind::kLong;
  const auto set = [&](Logical what, std::int64_t ticks) {
    type->logical = what;
    type->ticks_per_second = ticks;
  };
  if (logical == "decimal" && (type->kind == Kind::kBytes || type->kind == Kind::kFixed)) {
    type->scale = static_cast<int>(std::max<std::int64_t>(0, std::min<std::int64_t>(NumberOf(json, "scale"), 1000)));
    type->logical = Logical::kDecimal;
  } else if (logical == "date" && type->kind == Kind::kInt) {
    set(Logical::kDate, 0);
  } else if (logical == "time-millis" && type->kind == Kind::kInt) {
    set(Logical::kTime, 1000);
  } else if (logical == "time-micros" && is_long) {
    set(Logical::kTime, 1'000'000);
  } else if (is_long && (logical.starts_with("timestamp-") || logical.starts_with("local-timestamp-"))) {
    const std::string_view unit = std::string_view(logical).substr(logical.rfind('-') + 1);
    const std::int64_t ticks = unit == "millis" ? 1000 : unit == "micros" ? 1'000'000 : unit == "nanos" ? 1'000'000'000 : 0;
    if (ticks != 0) set(logical.starts_with("local") ? Logical::kLocalTimestamp : Logical::kTimestamp, ticks);
  }
}

}  // namespace

/// Reads one schema; names are known from where they are defined on, as Avro has it.
class AvroParser {
 public:
  explicit AvroParser(AvroSchema* schema) : schema_(schema) {}

  Result<const AvroType*> Type(const Json& json, const std::string& space, int depth) {
    if (depth > kMaxDepth) return Status::Invalid("it is nested more than ", kMaxDepth, " deep");
    if (json.is_string()) return Named(json.get_ref<const std::string&>(), space);
    if (json.is_array()) return Union(json, space, depth);
    if (!json.is_object() || !json.contains("type")) return Status::Invalid("a type is a name, an object with \"type\" or an array");
    const Json& written = json["type"];
    if (!written.is_string()) return Type(written, space, depth + 1);
    const std::string& name = written.get_ref<const std::string&>();
    if (const auto primitive = Primitives().find(name); primitive != Primitives().end()) {
      HR_ASSIGN_OR_RAISE(AvroType * type, New(primitive->second, name));
      SetLogical(json, type);
      return type;
    }
    if (name == "record" || name == "error") return Record(json, space, depth);
    if (name == "enum") return Enum(json, space);
    if (name == "fixed") return Fixed(json, space);
    if (name == "array" || name == "map") {
      HR_ASSIGN_OR_RAISE(AvroType * type, New(name == "array" ? Kind::kArray : Kind::kMap, name));
      const char* key = name == "array" ? "items" : "values";
      if (!json.contains(key)) return Status::Invalid(fmt::format("an {} has no \"{}\"", name, key));
      HR_ASSIGN_OR_RAISE(const AvroType* inside, Type(json[key], space, depth + 1));
      type->inside.push_back(inside);
      return type;
    }
    return Named(name, space);
  }

 private:
  Result<AvroType*> New(Kind kind, std::string name) {
    if (schema_->types_.size() >= kMaxTypes) return Status::Invalid("it has more than ", kMaxTypes, " types");
    schema_->types_.push_back(std::make_unique<AvroType>());
    AvroType* type = schema_->types_.back().get();
    type->kind = kind;
    type->name = std::move(name);
    return type;
  }

  Result<const AvroType*> Named(const std::string& name, const std::string& space) {
    if (const auto primitive = Primitives().find(name); primitive != Primitives().end()) {
      HR_ASSIGN_OR_RAISE(AvroType * type, New(primitive->second, name));
      return type;
    }
    for (const std::string& full : {space.empty() || name.find('.') != std::string::npos ? name : space + "." + name, name})
      if (const auto known = names_.find(full); known != names_.end()) return known->second;
    return Status::Invalid(fmt::format("the type \"{:.100}\" is not known", name));
  }

  /// A named type under its full name; `space` becomes the namespace of what is inside.
  Result<AvroType*> NewNamed(Kind kind, const Json& json, std::string* space) {
    std::string name = TextOf(json, "name");
    if (name.empty()) return Status::Invalid("a record, enum or fixed has no name");
    if (const std::string own = TextOf(json, "namespace"); !own.empty()) *space = own;
    if (const std::size_t dot = name.rfind('.'); dot != std::string::npos)
      *space = name.substr(0, dot);
    else if (!space->empty())
      name = *space + "." + name;
    HR_ASSIGN_OR_RAISE(AvroType * type, New(kind, name));
    if (!names_.emplace(name, type).second) return Status::Invalid(fmt::format("the type \"{:.100}\" is defined twice", name));
    return type;
  }

  Result<const AvroType*> Record(const Json& json, std::string space, int depth) {
    HR_ASSIGN_OR_RAISE(AvroType * type, NewNamed(Kind::kRecord, json, &space));
    const auto fields = json.find("fields");
    if (fields == json.end() || !fields->is_array())
      return Status::Invalid(fmt::format("the record \"{:.100}\" has no fields", type->name));
    for (const Json& field : *fields) {
      const std::string name = field.is_object() ? TextOf(field, "name") : std::string();
      if (name.empty() || !field.contains("type"))
        return Status::Invalid(fmt::format("a field of \"{:.100}\" has no name or type", type->name));
      HR_ASSIGN_OR_RAISE(const AvroType* inside, Type(field["type"], space, depth + 1));
      const auto otherwise = field.find("default");
      type->fields.push_back(
          {name, inside, otherwise == field.end() ? std::string() : otherwise->dump(-1, ' ', false, Json::error_handler_t::replace)});
    }
    return type;
  }

  Result<const AvroType*> Enum(const Json& json, std::string space) {
    HR_ASSIGN_OR_RAISE(AvroType * type, NewNamed(Kind::kEnum, json, &space));
    const auto symbols = json.find("symbols");
    if (symbols == json.end() || !symbols->is_array())
      return Status::Invalid(fmt::format("the enum \"{:.100}\" has no symbols", type->name));
    for (const Json& symbol : *symbols) {
      if (!symbol.is_string()) return Status::Invalid(fmt::format("a symbol of \"{:.100}\" is no text", type->name));
      type->symbols.push_back(symbol.get<std::string>());
    }
    return type;
  }

  Result<const AvroType*> Fixed(const Json& json, std::string space) {
    HR_ASSIGN_OR_RAISE(AvroType * type, NewNamed(Kind::kFixed, json, &space));
    const std::int64_t size = NumberOf(json, "size");
    if (size < 0) return Status::Invalid(fmt::format("the fixed \"{:.100}\" has no size", type->name));
    type->size = static_cast<std::uint64_t>(size);
    SetLogical(json, type);
    return type;
  }

  Result<const AvroType*> Union(const Json& json, const std::string& space, int depth) {
    HR_ASSIGN_OR_RAISE(AvroType * type, New(Kind::kUnion, "union"));
    if (json.empty()) return Status::Invalid("a union has no branches");
    for (const Json& branch : json) {
      HR_ASSIGN_OR_RAISE(const AvroType* inside, Type(branch, space, depth + 1));
      if (inside->kind == Kind::kUnion) return Status::Invalid("a union stands in a union");
      type->inside.push_back(inside);
    }
    return type;
  }

  AvroSchema* schema_;
  std::map<std::string, const AvroType*, std::less<>> names_;
};

Result<std::shared_ptr<const AvroSchema>> AvroSchema::Parse(std::string_view json) {
  if (json.size() > kMaxBytes) return Status::Invalid("the Avro schema has ", json.size(), " bytes; at most ", kMaxBytes, " are taken");
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) {
    // A schema that is one bare name, as some registries give it.
    if (Primitives().contains(json)) return Parse('"' + std::string(json) + '"');
    return Status::Invalid("the Avro schema is not JSON");
  }
  auto schema = std::make_shared<AvroSchema>();
  const auto root = AvroParser(schema.get()).Type(parsed, "", 0);
  if (!root.ok()) return Status::Invalid("the Avro schema cannot be used: ", root.status().message());
  schema->root_ = *root;
  return schema;
}

}  // namespace headrace::data::format
