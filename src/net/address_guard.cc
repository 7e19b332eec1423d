#include "net/address_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace headrace::net {
namespace {

Status Foreign(std::string_view field, std::string_view value) {
  return Error(ErrorCode::kForeignRequest, fmt::format("{} \"{}\" is not this server", field, value.substr(0, 128)));
}

/// "host:8081" gives "host", "[::1]:8081" gives "[::1]"; empty when the port is not one.
std::string_view WithoutPort(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return host;
  const std::string_view port = host.substr(colon + 1);
  if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return {};
  return host.substr(0, colon);
}

}  // namespace

AddressGuard::AddressGuard(std::vector<std::string> allowed_hosts) : allowed_hosts_(std::move(allowed_hosts)) {
  for (const char* name : {"localhost", "127.0.0.1", "[::1]"}) allowed_hosts_.emplace_back(name);
}

AddressGuard AddressGuard::ForOpenListener(std::vector<std::string> allowed_hosts) {
  AddressGuard guard(std::move(allowed_hosts));
  guard.open_ = true;
  return guard;
}

bool AddressGuard::Knows(std::string_view host) const {
  const std::string_view name = WithoutPort(host);
  if (name.empty()) return false;
  const bool allowed = std::any_of(allowed_hosts_.begin(), allowed_hosts_.end(), [&](const std::string& known) {
    return EqualsIgnoreCase(known, name) || EqualsIgnoreCase(known, host);
  });
  if (allowed || !open_) return allowed;
  if (name.front() == '[') return name.back() == ']' && name.find_first_not_of("0123456789abcdefABCDEF:.", 1) == name.size() - 1;
  const bool digits_and_dots = name.find_first_not_of("0123456789.") == std::string_view::npos;
  return digits_and_dots || (name.find('.') == std::string_view::npos && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                               return std::isalnum(c) != 0 || c == '-' || c == '_';
                             }));
}

Status AddressGuard::Check(const HttpRequest& request) const {
  const std::string_view host = request.Header("Host");
  if (!Knows(host) || CountFields(request.headers, "Host") != 1) return Foreign("Host", host);
  for (const auto& [field, value] : request.headers) {
    if (EqualsIgnoreCase(field, "Origin") && !EqualsIgnoreCase(value, "http://" + std::string(host)) &&
        !EqualsIgnoreCase(value, "https://" + std::string(host))) {
      return Foreign("Origin", value);
    }
    if (EqualsIgnoreCase(field, "Sec-Fetch-Site") && value != "same-origin" && value != "none") return Foreign("Sec-Fetch-Site", value);
  }
  return Status::OK();
}

}  // namespace headrace::net
