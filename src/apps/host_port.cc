#include "apps/host_port.h"

#include <fmt/core.h>
#include <charconv>
#include <string_view>

namespace headrace::apps {

Result<HostPort> ParseHostPort(const std::string& what, const std::string& text, std::uint16_t default_port) {
  const auto refuse = [&](const char* why) {
    return Error(ErrorCode::kBadSetting, fmt::format("{} \"{}\": {}", what, text, why),
                 "Write host or host:port, e.g. localhost:8081 or [::1]:8081.");
  };
  std::string_view host = text, port;
  bool has_port = false;
  if (const auto bracket = text.find(']'); text.rfind('[', 0) == 0 && bracket != std::string::npos) {
    host = std::string_view(text).substr(1, bracket - 1);
    port = std::string_view(text).substr(bracket + 1);
    has_port = !port.empty();
    if (has_port && port.front() != ':') return refuse("only :port may follow the brackets");
    if (has_port) port.remove_prefix(1);
  } else if (const auto colon = text.find(':'); colon != std::string::npos && text.find(':', colon + 1) == std::string::npos) {
    host = std::string_view(text).substr(0, colon);
    port = std::string_view(text).substr(colon + 1);
    has_port = true;
  }
  if (host.empty()) return refuse("the host is missing");
  HostPort result{std::string(host), default_port};
  if (!has_port) return result;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || result.port == 0)
    return refuse("the port is not a number from 1 to 65535");
  return result;
}

}  // namespace headrace::apps
