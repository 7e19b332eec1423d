#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "control/rest/auth/role.h"

namespace headrace::control::rest {

/// The text of openapi.yaml.
extern const std::string_view kOpenApiYaml;

/// One operation of openapi.yaml.
struct ApiOperation {
  std::string method;  ///< "GET"
  std::string path;    ///< "/jobs/{id}"
  Role role = Role::kAdmin;
};

/// openapi.yaml as REST needs it: the JSON that is served, and the role of each operation. Immutable, any thread.
class ApiDescription {
 public:
  /// kInternal when the document is malformed, or an operation has no known x-headrace-role.
  static Result<ApiDescription> Parse(std::string_view yaml);
  const std::string& json() const { return json_; }
  const std::vector<ApiOperation>& operations() const { return operations_; }
  /// Nothing when the document has no such operation.
  std::optional<Role> RoleOf(std::string_view method, std::string_view path) const;

 private:
  std::string json_;
  std::vector<ApiOperation> operations_;
};

}  // namespace headrace::control::rest
