#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan {

/// One option of a connector, as validation, docs and the connectors themselves see it.
struct OptionSpec {
  std::string_view name;
  enum class Type { kString, kInt, kBool, kDurationMs, kChoice } type = Type::kString;
  bool required = false;
  std::string_view default_value;
  std::string_view choices;  ///< kChoice: "a|b|c"
  std::string_view help;
};

/// Source kinds: kafka file collection generator. Sink kinds: kafka file collection print blackhole.
/// kafka source: topic, bootstrap_servers, group_id, start (earliest|latest|committed|timestamp), start_timestamp_ms, stop_at (|latest),
///   value_format (string|bytes|json), metadata, on_error (fail|skip|dead_letter), dead_letter_topic, discovery_interval_ms,
///   property.* (librdkafka allow-list)
/// kafka sink: topic, bootstrap_servers, delivery (|exactly_once|at_least_once|none), value_format (auto|string|bytes|json|avro|protobuf|
///   json_schema), schema_registry, schema_registry_auth, subject_strategy, record_name, schema, auto_register, use_latest, key_columns,
///   timestamps (iso|ms), property.*
/// file source: path (file, folder or glob), format (lines|json|csv|parquet|avro|protobuf|json_schema), schema_registry,
/// schema_registry_auth,
///   schema, message, csv_*, on_error (fail|skip|dead_letter), dead_letter_path
/// file sink: path (folder), format (lines|json|csv|parquet), compression, roll_bytes, roll_rows, roll_after_ms, timestamps
/// generator source: count (0 = endless), rows_per_second (0 = no limit), kind (sequence|words), vocabulary, words_per_row, seed
/// collection source: payload. collection sink, print (prefix), blackhole: no more.
/// Empty when the kind is unknown.
const std::vector<OptionSpec>* SourceOptions(std::string_view kind);
const std::vector<OptionSpec>* SinkOptions(std::string_view kind);

/// Unknown kind, unknown option (with the nearest name), missing required option or malformed value. `who` is OperatorSpec::Describe().
Status CheckConnector(const ConnectorSpec& spec, bool is_source, std::string_view who);
/// Typed access after validation; the default when the option is absent.
std::string OptionString(const ConnectorSpec& spec, bool is_source, std::string_view name);
std::int64_t OptionInt(const ConnectorSpec& spec, bool is_source, std::string_view name);
bool OptionBool(const ConnectorSpec& spec, bool is_source, std::string_view name);
/// librdkafka properties given as property.NAME; never the ones that load code, run commands or read files.
std::vector<std::pair<std::string, std::string>> KafkaProperties(const ConnectorSpec& spec);

}  // namespace headrace::plan
