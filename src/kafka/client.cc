#include "kafka/client.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/logging.h"

namespace headrace::kafka {
namespace {

void LogLine(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  // Lost connections are the connectors' to report, as the reason why they wait; librdkafka would repeat them for ever.
  // CONFWARN speaks of properties of the other kind of client, which a job may share between its source and sink.
  for (const char* quiet : {"FAIL", "ERROR", "CONFWARN"}) {
    if (std::strcmp(facility, quiet) == 0) return;
  }
  const LogLevel ours = level <= 3 ? LogLevel::kError : level <= 4 ? LogLevel::kWarn : level <= 6 ? LogLevel::kInfo : LogLevel::kDebug;
  Log(ours, "kafka", fmt::format("{}: {}", facility, text));
}

Status Set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK) return Status::OK();
  const bool secret = name.find("password") != std::string::npos || name.find(".key.") != std::string::npos;
  return Error(ErrorCode::kBadOption,
               fmt::format("property.{} is refused by the Kafka client: {}", name, secret ? "its value does not fit" : why.data()));
}

}  // namespace

Result<ConfPtr> MakeConf(const ClientSettings& settings, Properties defaults, Properties fixed) {
  ConfPtr conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), &LogLine);
  HR_RETURN_NOT_OK(Set(conf.get(), "bootstrap.servers", settings.bootstrap_servers));
  HR_RETURN_NOT_OK(Set(conf.get(), "client.id", "headrace"));
  HR_RETURN_NOT_OK(Set(conf.get(), "reconnect.backoff.max.ms", "2000"));
  for (const auto& [name, value] : defaults) HR_RETURN_NOT_OK(Set(conf.get(), std::string(name), std::string(value)));
  for (const auto& [name, value] : settings.properties) {
    if (!IsAllowedProperty(name)) return Error(ErrorCode::kBadOption, fmt::format("property.{:.100} is not allowed", name));
    HR_RETURN_NOT_OK(Set(conf.get(), name, value));
  }
  for (const auto& [name, value] : fixed) HR_RETURN_NOT_OK(Set(conf.get(), std::string(name), std::string(value)));
  return conf;
}

Result<ClientPtr> MakeClient(rd_kafka_type_t type, ConfPtr conf) {
  std::array<char, 512> why{};
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), why.data(), why.size());
  if (client == nullptr) return Error(ErrorCode::kBadOption, fmt::format("the Kafka client refuses its settings: {}", why.data()));
  conf.release();
  return ClientPtr(client);
}

bool IsUnknownTopic(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool IsRefusal(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      return true;
    default:
      return false;
  }
}

bool IsPassing(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
      return true;
    default:
      return false;
  }
}

Status StatusOf(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::OK();
  const std::string_view why = detail.empty() ? std::string_view(rd_kafka_err2str(error)) : detail;
  if (IsUnknownTopic(error)) return Error(ErrorCode::kUnknownTopic, fmt::format("{} does not exist on the brokers", what));
  if (IsRefusal(error)) {
    return Error(ErrorCode::kBadOption, fmt::format("{}: the brokers refuse it: {}", what, why),
                 "Check the property.sasl.* options, and give that Kafka user the rights on the topic.");
  }
  if (error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) return Error(ErrorCode::kBadOption, fmt::format("{}: not a name that Kafka takes", what));
  if (error == RD_KAFKA_RESP_ERR__BAD_MSG || error == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || error == RD_KAFKA_RESP_ERR_INVALID_MSG) {
    return Error(ErrorCode::kStoreCorrupt, fmt::format("{}: what the broker sent is damaged: {}", what, why),
                 "Check the broker's disks and network; the records there may be lost.");
  }
  if (IsPassing(error)) return Error(ErrorCode::kBrokerUnreachable, fmt::format("{}: {}", what, why));
  return Error(ErrorCode::kConnectorIo, fmt::format("{}: {}", what, why), "See the broker's log.");
}

}  // namespace headrace::kafka
