#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "net/http_message.h"

namespace headrace::net {

/// Keeps other web sites and rebound DNS names away from a listener that asks for no token. Immutable, any thread.
class AddressGuard {
 public:
  /// Host names beside localhost, 127.0.0.1 and [::1]; a name without a port fits every port.
  explicit AddressGuard(std::vector<std::string> allowed_hosts);
  /// For a listener that others reach by its address or name, without a token: IP addresses and names without a dot pass too,
  /// as no other site's DNS can give those. Names with a dot must be allowed.
  static AddressGuard ForOpenListener(std::vector<std::string> allowed_hosts);
  /// kForeignRequest when Host is not one of the names, when an Origin is not the Host itself, or when Sec-Fetch-Site says
  /// that another site sent it ("none", a typed address, passes).
  Status Check(const HttpRequest& request) const;

 private:
  bool Knows(std::string_view host) const;
  std::vector<std::string> allowed_hosts_;
  bool open_ = false;
};

}  // namespace headrace::net
