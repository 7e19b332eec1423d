#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Reads partitions of a Kafka topic; splits are kafka::TopicSplit payloads, one partition each.
/// Shape:   out {value: large_utf8 | large_binary | headrace.value}, or with a schema its columns and the records' times as event times;
///          up to 4096 rows or 256 KiB a batch, closed after 5 ms or as soon as the task waits.
/// Errors:  kBadRecord (on_error=fail), kUnknownTopic once brokers have denied the topic for 10 s, refused rights, damaged data, a dead
///          letter topic that refuses records for good. Brokers that are away are waited for, with the reason shown.
/// Thread:  the task's; one fetching thread of its own, started with the first split.
Result<std::unique_ptr<SourceReader>> MakeKafkaSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
