#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/sink.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Writes rows to a Kafka topic through the job's idempotent producer (at least once: a restarted job writes rows again).
/// Shape:   in {value[, __key]} or typed rows; message value by value_format, message key = the stream's key as text
///          (columnar/key_text.h) or the row's key_columns, else null.
/// Errors:  what a broker refuses for good (rights, topic gone, row too large) surfaces in Poll(); all else is retried for ever, with the
/// reason shown. Thread:  the task's. A full producer queue makes it not writable; nothing blocks.
Result<std::unique_ptr<SinkWriter>> MakeKafkaSinkWriter(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
