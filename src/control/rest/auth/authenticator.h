#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "control/rest/auth/role.h"
#include "control/rest/auth/token_store.h"
#include "net/address_guard.h"
#include "net/http_message.h"

namespace headrace::control::rest {

/// Decides on one request from the listener and the headers, never from the peer's address. Immutable, any thread.
class Authenticator {
 public:
  /// No token, but a guard against foreign sites: loopback listeners, and open ones that were asked to be insecure.
  static Authenticator WithGuard(net::AddressGuard guard);
  static Authenticator WithTokens(TokenStore tokens);
  /// OK when the caller may use a route of `needed`; kForeignRequest, kUnauthorized or kForbidden otherwise.
  Status Authorize(const net::HttpRequest& request, Role needed) const;

 private:
  std::optional<net::AddressGuard> guard_;
  std::optional<TokenStore> tokens_;
};

}  // namespace headrace::control::rest
