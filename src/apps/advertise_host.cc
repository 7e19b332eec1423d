#include "apps/advertise_host.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headrace::apps {

std::string LocalAddressTowards(const std::string& host, std::uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "127.0.0.1";
  std::string address = "127.0.0.1";
  // Connecting a datagram socket sends nothing: it only asks the kernel for the route.
  const int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0) {
    sockaddr_storage local{};
    socklen_t size = sizeof(local);
    char text[INET6_ADDRSTRLEN] = {};
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&local), size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0)
      address = text;
  }
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return address;
}

std::string BindAddress(const Settings& settings, const std::string& fallback) {
  const auto& bind = settings.String("net.bind");
  return bind.empty() ? fallback : bind;
}

std::string AdvertiseHost(const Settings& settings, const std::string& bind, const std::string& towards_host, std::uint16_t towards_port) {
  if (const auto& host = settings.String("net.advertise_host"); !host.empty()) return host;
  if (bind != "0.0.0.0" && bind != "::") return bind;
  if (towards_host.empty()) return HostName();
  return LocalAddressTowards(towards_host, towards_port);
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != 0 ? name : "localhost";
}

}  // namespace headrace::apps
