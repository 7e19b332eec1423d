#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::plan {

/// What the options of a Kafka source or sink may hand to librdkafka as property.NAME. An allow-list: names that load code,
/// run commands, or read files and URLs inside the engine are refused, and so are those that the connector sets itself.
/// `who` is OperatorSpec::Describe(); `name` comes without "property.".
Status CheckKafkaProperty(std::string_view name, std::string_view value, bool is_source, std::string_view who);
/// Relations between properties: SASL needs a mechanism by name, since librdkafka's default starts a command.
Status CheckKafkaSecurity(std::string_view security_protocol, bool has_mechanism, std::string_view who);

}  // namespace headrace::plan
