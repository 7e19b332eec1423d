#pragma once
#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace headrace::kafka {

/// How a client finds and talks to a Kafka cluster. A value; equal settings may share one producer.
struct ClientSettings {
  std::string bootstrap_servers;                                ///< "host:port,host:port"
  std::vector<std::pair<std::string, std::string>> properties;  ///< librdkafka names without "property."; sorted by Make
  auto operator<=>(const ClientSettings&) const = default;
};

/// Checks broker list and properties. An empty list falls back to `default_servers` (KAFKA_BOOTSTRAP_SERVERS).
/// kBadOption for an empty list, a malformed address, or a property that is not allowed.
Result<ClientSettings> MakeClientSettings(std::string_view bootstrap_servers, std::vector<std::pair<std::string, std::string>> properties,
                                          std::string_view default_servers = {});

/// The brokers of connectors that name none: what SetDefaultBootstrapServers was given, else the environment's
/// KAFKA_BOOTSTRAP_SERVERS, else empty. Set once at start, before connectors are made.
std::string DefaultBootstrapServers();
void SetDefaultBootstrapServers(std::string servers);

/// The last gate before librdkafka, behind plan's list of what a job may set: false for a property that loads code, runs a
/// command, reads a file or a URL, or that the connectors rely on and set themselves.
bool IsAllowedProperty(std::string_view name);

}  // namespace headrace::kafka
