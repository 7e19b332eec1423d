#pragma once
#include "base/status.h"
#include "kafka/client_settings.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Brokers and properties of a Kafka source or sink; the process' default brokers when the job names none.
Result<kafka::ClientSettings> KafkaSettingsOf(const plan::ConnectorSpec& spec, bool is_source);

}  // namespace headrace::data::connector
