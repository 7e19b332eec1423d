#pragma once
#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::proto {
class Connector;
class Lookup;
}  // namespace headrace::proto

namespace headrace::wire {

/// `table`: the message's connector as a value; connectors are read by their own reader.
Result<plan::LookupSpec> FromMessage(const proto::Lookup& message, plan::ConnectorSpec table);
/// All but the table.
void ToMessage(const plan::LookupSpec& spec, proto::Lookup* message);

}  // namespace headrace::wire
