#pragma once
#include <optional>
#include <string_view>

namespace headrace::control::rest {

/// What a caller may do; each role may do all that the weaker ones may. kNone needs no token.
enum class Role { kNone, kViewer, kOperator, kSubmitter, kAdmin };

constexpr std::string_view NameOf(Role role) {
  constexpr std::string_view kNames[] = {"none", "viewer", "operator", "submitter", "admin"};
  return kNames[static_cast<int>(role)];
}

constexpr std::optional<Role> RoleOf(std::string_view name) {
  for (const Role role : {Role::kNone, Role::kViewer, Role::kOperator, Role::kSubmitter, Role::kAdmin}) {
    if (NameOf(role) == name) return role;
  }
  return std::nullopt;
}

}  // namespace headrace::control::rest
