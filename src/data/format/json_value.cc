#include "data/format/json_value.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <iterator>

#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"

namespace headrace::data::format {
namespace {

constexpr int kMaxDepth = columnar::kMaxValueDepth;

void AppendBigInt(std::uint64_t value, std::string* out) {
  // Beyond int64 and positive: eight bytes, and a ninth that keeps the sign bit clear.
  out->push_back(static_cast<char>(columnar::ValueTag::kBigInt));
  out->push_back(9);
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
  out->push_back(0);
}

/// size() saturates at 2^24 - 1; larger ones are counted.
template <typename Container>
std::size_t CountOf(const Container& container) {
  const std::size_t size = container.size();
  return size < 0xFFFFFF ? size : static_cast<std::size_t>(std::distance(container.begin(), container.end()));
}

/// `depth` containers are open around the element. Recursion is bounded by kMaxDepth.
Status AppendElement(const simdjson::dom::element& element, int depth, std::string* out) {
  using Type = simdjson::dom::element_type;
  columnar::ValueWriter writer(out);
  if (depth >= kMaxDepth && (element.is_array() || element.is_object())) return Status::Invalid("nested deeper than ", kMaxDepth);
  switch (element.type()) {
    case Type::ARRAY: {
      const simdjson::dom::array array = element.get_array().value_unsafe();
      writer.ListHeader(CountOf(array));
      for (const simdjson::dom::element item : array) HR_RETURN_NOT_OK(AppendElement(item, depth + 1, out));
      break;
    }
    case Type::OBJECT: {
      const simdjson::dom::object object = element.get_object().value_unsafe();
      writer.DictHeader(CountOf(object));
      for (const simdjson::dom::key_value_pair field : object) {
        writer.String(field.key);
        HR_RETURN_NOT_OK(AppendElement(field.value, depth + 1, out));
      }
      break;
    }
    case Type::INT64:
      writer.Int(element.get_int64().value_unsafe());
      break;
    case Type::UINT64:
      AppendBigInt(element.get_uint64().value_unsafe(), out);
      break;
    case Type::DOUBLE:
      writer.Float(element.get_double().value_unsafe());
      break;
    case Type::STRING:
      writer.String(element.get_string().value_unsafe());
      break;
    case Type::BOOL:
      writer.Bool(element.get_bool().value_unsafe());
      break;
    case Type::NULL_VALUE:
      writer.None();
      break;
  }
  return Status::OK();
}

}  // namespace

struct JsonValueReader::State {
  simdjson::dom::parser parser;
};

JsonValueReader::JsonValueReader() : state_(std::make_unique<State>()) {}
JsonValueReader::~JsonValueReader() = default;

Status JsonValueReader::Append(std::string_view json, std::string* out) {
  simdjson::dom::element root;
  const simdjson::error_code error = state_->parser.parse(json.data(), json.size(), /*realloc_if_needed=*/true).get(root);
  if (error) return Status::Invalid("not JSON: ", simdjson::error_message(error));
  return AppendElement(root, 0, out);
}

}  // namespace headrace::data::format
