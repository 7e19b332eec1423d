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
/// kBadOption for an empty list, a malformed address, or a property outside the allow-list.
Result<ClientSettings> MakeClientSettings(std::string_view bootstrap_servers, std::vector<std::pair<std::string, std::string>> properties,
                                          std::string_view default_servers = {});

/// True for properties a job may set: tuning and credentials, never one that loads code, runs a command, reads a file
/// or would change what the connector guarantees.
bool IsAllowedProperty(std::string_view name);

}  // namespace headrace::kafka
