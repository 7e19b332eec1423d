#include "plan/kafka_property.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/nearest_name.h"

namespace headrace::plan {
namespace {

struct Property {
  std::string_view name;
  char side;  // 'b' both, 's' source, 'k' sink
};

constexpr std::array kAllowed = {
    Property{"client.id", 'b'},
    Property{"client.rack", 'b'},
    Property{"security.protocol", 'b'},
    Property{"sasl.mechanism", 'b'},
    Property{"sasl.mechanisms", 'b'},
    Property{"sasl.username", 'b'},
    Property{"sasl.password", 'b'},
    Property{"sasl.oauthbearer.config", 'b'},
    Property{"enable.sasl.oauthbearer.unsecure.jwt", 'b'},
    Property{"ssl.ca.pem", 'b'},
    Property{"ssl.certificate.pem", 'b'},
    Property{"ssl.key.pem", 'b'},
    Property{"ssl.key.password", 'b'},
    Property{"ssl.cipher.suites", 'b'},
    Property{"ssl.curves.list", 'b'},
    Property{"ssl.sigalgs.list", 'b'},
    Property{"ssl.endpoint.identification.algorithm", 'b'},
    Property{"enable.ssl.certificate.verification", 'b'},
    Property{"broker.address.family", 'b'},
    Property{"broker.address.ttl", 'b'},
    Property{"connections.max.idle.ms", 'b'},
    Property{"socket.timeout.ms", 'b'},
    Property{"socket.connection.setup.timeout.ms", 'b'},
    Property{"socket.keepalive.enable", 'b'},
    Property{"socket.nagle.disable", 'b'},
    Property{"socket.send.buffer.bytes", 'b'},
    Property{"socket.receive.buffer.bytes", 'b'},
    Property{"reconnect.backoff.ms", 'b'},
    Property{"reconnect.backoff.max.ms", 'b'},
    Property{"retry.backoff.ms", 'b'},
    Property{"metadata.max.age.ms", 'b'},
    Property{"topic.metadata.refresh.interval.ms", 'b'},
    Property{"message.max.bytes", 'b'},
    Property{"receive.message.max.bytes", 'b'},
    Property{"max.in.flight.requests.per.connection", 'b'},
    Property{"fetch.min.bytes", 's'},
    Property{"fetch.max.bytes", 's'},
    Property{"fetch.wait.max.ms", 's'},
    Property{"fetch.message.max.bytes", 's'},
    Property{"max.partition.fetch.bytes", 's'},
    Property{"fetch.error.backoff.ms", 's'},
    Property{"queued.min.messages", 's'},
    Property{"queued.max.messages.kbytes", 's'},
    Property{"check.crcs", 's'},
    Property{"isolation.level", 's'},
    Property{"session.timeout.ms", 's'},
    Property{"linger.ms", 'k'},
    Property{"queue.buffering.max.ms", 'k'},
    Property{"queue.buffering.max.messages", 'k'},
    Property{"queue.buffering.max.kbytes", 'k'},
    Property{"batch.size", 'k'},
    Property{"batch.num.messages", 'k'},
    Property{"compression.type", 'k'},
    Property{"compression.codec", 'k'},
    Property{"compression.level", 'k'},
    Property{"delivery.timeout.ms", 'k'},
    Property{"message.timeout.ms", 'k'},
    Property{"request.timeout.ms", 'k'},
    Property{"partitioner", 'k'},
    Property{"sticky.partitioning.linger.ms", 'k'},
    Property{"transaction.timeout.ms", 'k'},
};

constexpr std::array<std::string_view, 11> kOwned = {
    "bootstrap.servers",        "metadata.broker.list", "group.id",           "group.instance.id", "enable.auto.commit",
    "enable.auto.offset.store", "auto.offset.reset",    "enable.idempotence", "transactional.id",  "acks",
    "request.required.acks"};

bool HasPrefix(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }
bool HasSuffix(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

/// Names that make librdkafka load a library, run a command, or read a file or URL on the machine of the TaskManager.
bool ReachesOutside(std::string_view name) {
  return HasPrefix(name, "plugin.") || HasPrefix(name, "sasl.kerberos.") || HasPrefix(name, "ssl.engine.") ||
         HasPrefix(name, "ssl.providers") || HasSuffix(name, ".location") || HasSuffix(name, ".url") || HasSuffix(name, ".cmd") ||
         HasSuffix(name, ".path") || HasSuffix(name, ".paths") || HasSuffix(name, ".file");
}

Status CheckMechanism(std::string_view value, std::string_view who) {
  constexpr std::array<std::string_view, 4> kMechanisms = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"};
  if (std::find(kMechanisms.begin(), kMechanisms.end(), value) != kMechanisms.end()) return Status::OK();
  return Error(ErrorCode::kBadOption, fmt::format("{}: property.sasl.mechanism may be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; "
                                                  "other mechanisms run commands or read files of the cluster's machines",
                                                  who));
}

}  // namespace

Status CheckKafkaProperty(std::string_view name, std::string_view value, bool is_source, std::string_view who) {
  if (std::find(kOwned.begin(), kOwned.end(), name) != kOwned.end()) {
    return Error(ErrorCode::kUnknownOption, fmt::format("{}: property.{} is set by the connector itself", who, name),
                 "Use the connector's own options, such as bootstrap_servers, group_id, start and delivery.");
  }
  if (ReachesOutside(name)) {
    return Error(
        ErrorCode::kUnknownOption,
        fmt::format("{}: property.{} is refused, because it reads files, opens URLs, loads code or runs commands on the cluster's machines",
                    who, name),
        "Give certificates inline as property.ssl.ca.pem, ssl.certificate.pem and ssl.key.pem.");
  }
  std::vector<std::string_view> names;
  for (const Property& property : kAllowed) {
    const bool fits = property.side == 'b' || property.side == (is_source ? 's' : 'k');
    if (fits) names.push_back(property.name);
    if (property.name != name) continue;
    if (!fits)
      return Error(ErrorCode::kUnknownOption,
                   fmt::format("{}: property.{} is for Kafka {}", who, name, property.side == 's' ? "sources" : "sinks"));
    if (name == "sasl.mechanism" || name == "sasl.mechanisms") return CheckMechanism(value, who);
    return Status::OK();
  }
  return Error(ErrorCode::kUnknownOption, fmt::format("{}: property.{} is not among the librdkafka properties that a job may set{}", who,
                                                      name, DidYouMean(name, names)));
}

Status CheckKafkaSecurity(std::string_view security_protocol, bool has_mechanism, std::string_view who) {
  std::string lower(security_protocol);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!lower.empty() && lower != "plaintext" && lower != "ssl" && lower != "sasl_plaintext" && lower != "sasl_ssl") {
    return Error(ErrorCode::kBadOption, fmt::format("{}: property.security.protocol is plaintext, ssl, sasl_plaintext or sasl_ssl", who));
  }
  if (HasPrefix(lower, "sasl") && !has_mechanism) {
    return Error(ErrorCode::kBadOption, fmt::format("{}: property.security.protocol {} needs property.sasl.mechanism too", who, lower),
                 "Set property.sasl.mechanism to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.");
  }
  return Status::OK();
}

}  // namespace headrace::plan
