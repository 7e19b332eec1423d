#pragma once
#include <cstdint>
#include <string>

#include "base/status.h"

namespace headrace::apps {

struct HostPort {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
};

/// Reads "host", "host:port", "[::1]", "[::1]:port" and a bare "::1". kBadSetting, starting with `what` ("-m", "JOBMANAGER_HOST"), when
/// the host is empty or the port no number from 1 to 65535.
Result<HostPort> ParseHostPort(const std::string& what, const std::string& text, std::uint16_t default_port);

}  // namespace headrace::apps
