#include "base/yaml_json.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace headrace {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxBytes = 4u << 20;

Json ScalarToJson(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;  // quoted
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  if (text == "true") return true;
  if (text == "false") return false;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, whole); error == std::errc() && stop == end) return whole;
  double real = 0;
  const bool digits_first = text.find_first_of("0123456789") <= 1;  // not the words inf and nan
  if (const auto [stop, error] = std::from_chars(text.data(), end, real); digits_first && error == std::errc() && stop == end) return real;
  return text;
}

Result<Json> NodeToJson(const YAML::Node& node, int depth) {
  if (depth > kMaxDepth)
    return Error(ErrorCode::kBadSetting, fmt::format("line {} is nested deeper than {}", node.Mark().line + 1, kMaxDepth));
  if (node.IsScalar()) return ScalarToJson(node);
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const auto& part : node) {
      HR_ASSIGN_OR_RAISE(Json value, NodeToJson(part, depth + 1));
      list.push_back(std::move(value));
    }
    return list;
  }
  if (!node.IsMap()) return Json(nullptr);
  Json map = Json::object();
  for (const auto& entry : node) {
    if (!entry.first.IsScalar())
      return Error(ErrorCode::kBadSetting, fmt::format("line {}: a key must be a plain word", entry.first.Mark().line + 1));
    HR_ASSIGN_OR_RAISE(Json value, NodeToJson(entry.second, depth + 1));
    if (!map.emplace(entry.first.Scalar(), std::move(value)).second) {
      return Error(ErrorCode::kBadSetting, fmt::format("line {}: {} is set twice", entry.first.Mark().line + 1, entry.first.Scalar()));
    }
  }
  return map;
}

}  // namespace

Result<std::string> YamlToJson(const std::string& yaml) {
  if (yaml.size() > kMaxBytes) return Error(ErrorCode::kBadSetting, fmt::format("the YAML text is larger than {} bytes", kMaxBytes));
  try {
    HR_ASSIGN_OR_RAISE(const Json json, NodeToJson(YAML::Load(yaml), 0));
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  } catch (const YAML::Exception& e) {
    return Error(ErrorCode::kBadSetting, fmt::format("line {} is not valid YAML: {}", e.mark.line + 1, e.msg));
  }
}

}  // namespace headrace
