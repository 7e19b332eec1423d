#pragma once
#include <cstdint>
#include <string>

#include "base/settings.h"

namespace headrace::apps {

/// The local address that packets to host:port would leave from; "127.0.0.1" when there is no route or the name does not resolve.
std::string LocalAddressTowards(const std::string& host, std::uint16_t port);
/// net.advertise_host, else the bind address when it is a single one, else LocalAddressTowards.
std::string AdvertiseHost(const Settings& settings, const std::string& bind, const std::string& towards_host, std::uint16_t towards_port);
/// net.bind, or `fallback` when it is not set.
std::string BindAddress(const Settings& settings, const std::string& fallback);
std::string HostName();

}  // namespace headrace::apps
