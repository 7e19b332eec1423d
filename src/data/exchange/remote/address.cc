#include "data/exchange/remote/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace headrace::data::exchange {
namespace {

Result<std::vector<std::string>> Resolve(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return Status::IOError("host ", host, " cannot be resolved: ", gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    addresses.emplace_back(reinterpret_cast<const char*>(at->ai_addr), at->ai_addrlen);
  return addresses;
}

}  // namespace

Result<std::vector<std::string>> ResolveHost(const std::string& host, std::uint16_t port) { return Resolve(host, port, 0); }

Result<int> ListenOn(const std::string& host, std::uint16_t port) {
  HR_ASSIGN_OR_RAISE(const auto addresses, Resolve(host, port, AI_PASSIVE));
  Status status = Status::IOError("no address for ", host);
  for (const std::string& address : addresses) {
    const auto* raw = reinterpret_cast<const sockaddr*>(address.data());
    const int fd = socket(raw->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, raw, static_cast<socklen_t>(address.size())) == 0 && listen(fd, 512) == 0) return fd;
    status = Status::IOError("the exchange cannot listen on ", host, ":", port, ": ", std::strerror(errno));
    close(fd);
  }
  return status;
}

Result<std::uint16_t> PortOf(int listening_fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(listening_fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return Status::IOError("getsockname: ", std::strerror(errno));
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

Result<int> ConnectTo(const std::string& address, bool* connecting) {
  const auto* raw = reinterpret_cast<const sockaddr*>(address.data());
  const int fd = socket(raw->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Status::IOError("socket: ", std::strerror(errno));
  *connecting = connect(fd, raw, static_cast<socklen_t>(address.size())) != 0;
  if (!*connecting || errno == EINPROGRESS) return fd;
  const Status status = Status::IOError(std::strerror(errno));
  close(fd);
  return status;
}

}  // namespace headrace::data::exchange
