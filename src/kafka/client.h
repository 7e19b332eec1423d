#pragma once
#include <librdkafka/rdkafka.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "kafka/client_settings.h"

namespace headrace::kafka {

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
/// Without the close of a consumer group: partitions are assigned by hand, and with the broker away that close waits for it.
struct ClientDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
};
struct TopicDeleter {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct OffsetsDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;
using ClientPtr = std::unique_ptr<rd_kafka_t, ClientDeleter>;
using TopicPtr = std::unique_ptr<rd_kafka_topic_t, TopicDeleter>;
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;
using OffsetsPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, OffsetsDeleter>;

using Properties = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// A configuration: `defaults` first, then the job's properties, then `fixed` (which the caller relies on). Properties of
/// the other kind of client are left out by librdkafka itself. kBadOption when librdkafka refuses a value; secrets are not shown.
Result<ConfPtr> MakeConf(const ClientSettings& settings, Properties defaults, Properties fixed);
/// Takes `conf` over. kBadOption when the settings do not fit together.
Result<ClientPtr> MakeClient(rd_kafka_type_t type, ConfPtr conf);

/// How an error of librdkafka or a broker is to be taken. `what` starts the message, e.g. `topic "lines"`.
Status StatusOf(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail = {});
/// Errors after which librdkafka goes on by itself: brokers away, leaders moving, timeouts.
bool IsPassing(rd_kafka_resp_err_t error);
bool IsUnknownTopic(rd_kafka_resp_err_t error);
bool IsRefusal(rd_kafka_resp_err_t error);  ///< authentication or authorisation

}  // namespace headrace::kafka
