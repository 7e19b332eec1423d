#include "control/rest/auth/authenticator.h"

#include <fmt/format.h>

#include <utility>

namespace headrace::control::rest {

Authenticator Authenticator::WithGuard(net::AddressGuard guard) {
  Authenticator authenticator;
  authenticator.guard_ = std::move(guard);
  return authenticator;
}

Authenticator Authenticator::WithTokens(TokenStore tokens) {
  Authenticator authenticator;
  authenticator.tokens_ = std::move(tokens);
  return authenticator;
}

Status Authenticator::Authorize(const net::HttpRequest& request, Role needed) const {
  if (guard_) HR_RETURN_NOT_OK(guard_->Check(request));
  if (!tokens_ || needed == Role::kNone) return Status::OK();
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view value = request.Header("Authorization");
  if (value.empty()) return Error(ErrorCode::kUnauthorized, "this server needs a token");
  if (value.size() <= kScheme.size() || !net::EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme)) {
    return Error(ErrorCode::kUnauthorized, "the Authorization header is not a bearer token");
  }
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  const auto role = tokens_->Find(value);
  if (!role) return Error(ErrorCode::kUnauthorized, "the token is not known");
  if (*role < needed)
    return Error(ErrorCode::kForbidden, fmt::format("a token of role {} may not do this; it needs {}", NameOf(*role), NameOf(needed)));
  return Status::OK();
}

}  // namespace headrace::control::rest
