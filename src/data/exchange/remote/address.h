#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace headrace::data::exchange {

/// Raw socket addresses (sockaddr bytes) of a host and port. May block on name servers.
Result<std::vector<std::string>> ResolveHost(const std::string& host, std::uint16_t port);
/// A listening, non-blocking socket. Errors: IOError naming the address.
Result<int> ListenOn(const std::string& host, std::uint16_t port);
Result<std::uint16_t> PortOf(int listening_fd);
/// A non-blocking socket that connects to a raw address; `*connecting` tells whether it still does.
Result<int> ConnectTo(const std::string& address, bool* connecting);

}  // namespace headrace::data::exchange
