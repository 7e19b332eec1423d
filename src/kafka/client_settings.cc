#include "kafka/client_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

namespace headrace::kafka {
namespace {

// The connectors' guarantees rest on these, so they set them themselves.
constexpr std::array kOwned = std::to_array<std::string_view>({
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "debug",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "metadata.broker.list",
    "request.required.acks",
    "transactional.id",
});

/// Loads a library, runs a command, or reads a file or a URL on this machine.
bool ReachesOutside(std::string_view name) {
  for (const std::string_view prefix : {"plugin.", "sasl.kerberos.", "ssl.engine.", "ssl.providers", "ssl.keystore."}) {
    if (name.substr(0, prefix.size()) == prefix) return true;
  }
  for (const std::string_view suffix : {".location", ".url", ".cmd", ".path", ".paths", ".file"}) {
    if (name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix) return true;
  }
  return false;
}

std::mutex default_servers_mutex;
std::string& default_servers() {
  static std::string servers;
  return servers;
}

bool IsAddress(std::string_view address) {
  // "host:port", "[v6]:port", or with a listener name in front ("PLAINTEXT://host:port"); the port may be left out.
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
  const auto bracket = address.rfind(']');
  const auto colon = address.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = address.substr(0, colon);
  if (host.empty() || host.find_first_of(" \t\r\n/") != std::string_view::npos) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view port = address.substr(colon + 1);
  if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  int number = 0;
  for (const char c : port) number = number * 10 + (c - '0');
  return number >= 1 && number <= 65535;
}

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::string DefaultBootstrapServers() {
  const std::lock_guard lock(default_servers_mutex);
  if (!default_servers().empty()) return default_servers();
  const char* from_environment = std::getenv("KAFKA_BOOTSTRAP_SERVERS");
  return from_environment == nullptr ? std::string() : from_environment;
}

void SetDefaultBootstrapServers(std::string servers) {
  const std::lock_guard lock(default_servers_mutex);
  default_servers() = std::move(servers);
}

bool IsAllowedProperty(std::string_view name) {
  return !name.empty() && !ReachesOutside(name) && std::find(kOwned.begin(), kOwned.end(), name) == kOwned.end();
}

Result<ClientSettings> MakeClientSettings(std::string_view bootstrap_servers, std::vector<std::pair<std::string, std::string>> properties,
                                          std::string_view default_servers) {
  std::string_view rest = Trim(bootstrap_servers);
  if (rest.empty()) rest = Trim(default_servers);
  if (rest.empty()) {
    return Error(ErrorCode::kBadOption, "bootstrap_servers is not set and KAFKA_BOOTSTRAP_SERVERS is empty",
                 "Set bootstrap_servers=\"host:9092\" on the connector.");
  }
  ClientSettings settings;
  while (true) {
    const auto comma = rest.find(',');
    const std::string_view address = Trim(rest.substr(0, comma));
    if (!IsAddress(address)) {
      return Error(ErrorCode::kBadOption, fmt::format("bootstrap_servers: \"{:.200}\" is not host:port", address),
                   "Write it as \"host:9092,host:9092\".");
    }
    if (!settings.bootstrap_servers.empty()) settings.bootstrap_servers += ',';
    settings.bootstrap_servers += address;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  for (const auto& [name, value] : properties) {
    if (!IsAllowedProperty(name)) {
      return Error(
          ErrorCode::kBadOption,
          fmt::format("property.{:.100} is not allowed: it reads files, loads code or runs commands, or the connector sets it itself",
                      name));
    }
  }
  std::sort(properties.begin(), properties.end());
  settings.properties = std::move(properties);
  return settings;
}

}  // namespace headrace::kafka
