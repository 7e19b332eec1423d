#include "control/rest/api_description.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/yaml_json.h"

namespace headrace::control::rest {
namespace {

constexpr std::pair<std::string_view, std::string_view> kMethods[] = {
    {"get", "GET"}, {"post", "POST"}, {"put", "PUT"}, {"patch", "PATCH"}, {"delete", "DELETE"}};

Status Broken(std::string what) { return Error(ErrorCode::kInternal, "openapi.yaml: " + std::move(what)); }

}  // namespace

Result<ApiDescription> ApiDescription::Parse(std::string_view yaml) {
  ApiDescription description;
  HR_ASSIGN_OR_RAISE(description.json_, YamlToJson(std::string(yaml)));
  const auto json = nlohmann::json::parse(description.json_, nullptr, false);
  const auto paths = json.find("paths");
  if (!json.is_object() || paths == json.end() || !paths->is_object()) return Broken("paths is missing");
  for (const auto& [path, item] : paths->items()) {
    for (const auto& [key, method] : kMethods) {
      const auto operation = item.find(key);
      if (operation == item.end()) continue;
      const auto named = operation->find("x-headrace-role");
      const auto role =
          named == operation->end() || !named->is_string() ? std::nullopt : rest::RoleOf(named->get_ref<const std::string&>());
      if (!role) return Broken(fmt::format("{} {} has no known x-headrace-role", method, path));
      description.operations_.push_back({std::string(method), path, *role});
    }
  }
  return description;
}

std::optional<Role> ApiDescription::RoleOf(std::string_view method, std::string_view path) const {
  for (const ApiOperation& operation : operations_) {
    if (operation.method == method && operation.path == path) return operation.role;
  }
  return std::nullopt;
}

}  // namespace headrace::control::rest
