#include "data/connector/kafka/kafka_options.h"

#include "plan/connector_options.h"

namespace headrace::data::connector {

Result<kafka::ClientSettings> KafkaSettingsOf(const plan::ConnectorSpec& spec, bool is_source) {
  return kafka::MakeClientSettings(plan::OptionString(spec, is_source, "bootstrap_servers"), plan::KafkaProperties(spec),
                                   kafka::DefaultBootstrapServers());
}

}  // namespace headrace::data::connector
