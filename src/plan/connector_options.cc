#include "plan/connector_options.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/nearest_name.h"
#include "base/units.h"
#include "plan/format_options.h"
#include "plan/kafka_metadata.h"
#include "plan/kafka_property.h"

namespace headrace::plan {
namespace {

using Type = OptionSpec::Type;
constexpr std::string_view kPropertyPrefix = "property.";
constexpr std::size_t kMaxOptionBytes = 64u << 10;
constexpr std::size_t kMaxOptions = 200;

struct ConnectorTable {
  std::string_view kind;
  std::vector<OptionSpec> options;
};

const std::vector<ConnectorTable>& SourceTables() {
  static const std::vector<ConnectorTable> tables = {
      {"kafka",
       {{"topic", Type::kString, true, "", "", "Topic to read."},
        {"bootstrap_servers", Type::kString, false, "", "",
         "host:port, comma-separated; by default the cluster's KAFKA_BOOTSTRAP_SERVERS."},
        {"group_id", Type::kString, false, "", "",
         "Consumer group whose committed offsets show progress; without it nothing is committed."},
        {"start", Type::kChoice, false, "earliest", "earliest|latest|committed|timestamp", "Where to start when the job has no state."},
        {"start_timestamp_ms", Type::kInt, false, "0", "", "With start=timestamp: the first record at or after it, ms since 1970 UTC."},
        {"stop_at", Type::kChoice, false, "", "|latest",
         "latest: stop at the ends that the partitions had at the start; makes the source bounded."},
        {"value_format", Type::kChoice, false, "string", "string|bytes|json|avro|protobuf|json_schema",
         "How record values become rows; all but string and bytes fill typed rows."},
        {"schema_registry", Type::kString, false, "", "",
         "http://host:port or https://host:port of the registry whose ids stand before each record."},
        {"schema_registry_auth", Type::kString, false, "", "", "user:password for the registry."},
        {"schema_registry_ca", Type::kString, false, "", "",
         "PEM text of the authorities that may have signed the registry's certificate."},
        {"schema_registry_certificate", Type::kString, false, "", "", "PEM text of the certificate that is shown to the registry."},
        {"schema_registry_key", Type::kString, false, "", "", "PEM text of that certificate's key."},
        {"schema", Type::kString, false, "", "", "Without a registry: the Avro schema, or the text of the .proto file, of all records."},
        {"message", Type::kString, false, "", "",
         "value_format=protobuf without a registry: the message's name; by default the file's first."},
        {"metadata", Type::kString, false, "", "",
         "Of typed rows: a JSON object from columns to what of the record they hold: topic, partition, offset, timestamp, key, headers."},
        {"on_error", Type::kChoice, false, "fail", "fail|skip|dead_letter", "What a record does that cannot be decoded."},
        {"dead_letter_topic", Type::kString, false, "", "", "With on_error=dead_letter: the topic that takes such records as they came."},
        {"discovery_interval_ms", Type::kDurationMs, false, "30000", "", "How often to look for new partitions; 0 = never."}}},
      {"file",
       {{"path", Type::kString, true, "", "", "File, folder or glob."},
        {"format", Type::kChoice, false, "lines", "lines|json|csv|parquet|avro|protobuf|json_schema",
         "lines: one str a line; json: one JSON value a line; csv, parquet and avro: typed rows; protobuf, json_schema and avro with a "
         "schema: "
         "typed rows, each record behind its length."},
        {"schema_registry", Type::kString, false, "", "",
         "http://host:port or https://host:port of the registry whose ids stand before each record."},
        {"schema_registry_auth", Type::kString, false, "", "", "user:password for the registry."},
        {"schema_registry_ca", Type::kString, false, "", "",
         "PEM text of the authorities that may have signed the registry's certificate."},
        {"schema_registry_certificate", Type::kString, false, "", "", "PEM text of the certificate that is shown to the registry."},
        {"schema_registry_key", Type::kString, false, "", "", "PEM text of that certificate's key."},
        {"schema", Type::kString, false, "", "", "Without a registry: the Avro schema, or the text of the .proto file, of all records."},
        {"message", Type::kString, false, "", "", "format=protobuf without a registry: the message's name; by default the file's first."},
        {"csv_delimiter", Type::kString, false, ",", "", "format=csv: the character between two fields."},
        {"csv_header", Type::kBool, false, "true", "",
         "format=csv: the first line of each file names its columns; else they stand in csv_columns' order."},
        {"csv_columns", Type::kString, false, "", "", "format=csv without a header: the columns' names as a JSON array."},
        {"csv_null", Type::kString, false, "", "", "format=csv: what stands for null, when it is not in quotes."},
        {"on_error", Type::kChoice, false, "fail", "fail|skip|dead_letter", "What a record does that cannot be decoded."},
        {"dead_letter_path", Type::kString, false, "", "", "With on_error=dead_letter: the folder that takes such records."}}},
      {"collection", {}},
      {"postgres",
       {{"host", Type::kString, true, "", "", "Name or address of the server, or a comma list."},
        {"port", Type::kInt, false, "5432", "", "Its port."},
        {"database", Type::kString, true, "", "", "Name of the database."},
        {"user", Type::kString, true, "", "", "Role to connect as; it needs to read the table, no more."},
        {"password", Type::kString, false, "", "", "Its password; travels in the job file."},
        {"password_env", Type::kString, false, "", "", "Instead: the environment variable of the TaskManagers that holds it."},
        {"sslmode", Type::kChoice, false, "prefer", "disable|allow|prefer|require|verify-ca|verify-full", "As libpq takes it."},
        {"table", Type::kString, false, "", "", "Name of the table or view, with its schema or without."},
        {"query", Type::kString, false, "", "", "Instead: a SELECT whose rows are looked up in."},
        {"connections", Type::kInt, false, "2", "", "Of each TaskManager to the database."},
        {"cache_keys", Type::kInt, false, "100000", "", "Keys that each subtask remembers; 0 = none."},
        {"cache_ttl_ms", Type::kDurationMs, false, "60000", "", "How long what was found for a key is used; 0 = for ever."},
        {"missing_ttl_ms", Type::kDurationMs, false, "60000", "",
         "How long it is known that a key has no row; 0 = it is asked for each time."},
        {"max_in_flight", Type::kInt, false, "4", "", "Batches of a subtask that wait for answers."},
        {"timeout_ms", Type::kDurationMs, false, "30000", "",
         "How long the rows of a batch are asked for, tries included, until the job fails."},
        {"retry_delay_ms", Type::kDurationMs, false, "100", "", "Before the second try; doubles from try to try up to 2 s."}}},
      {"generator",
       {{"count", Type::kInt, false, "0", "", "Rows in all; 0 = endless."},
        {"rows_per_second", Type::kInt, false, "0", "", "Over all subtasks; 0 = as fast as possible."},
        {"kind", Type::kChoice, false, "sequence", "sequence|words", "sequence: 0, 1, 2 …; words: lines of words."},
        {"vocabulary", Type::kInt, false, "1000", "", "kind=words: number of different words."},
        {"words_per_row", Type::kInt, false, "10", "", "kind=words: words in a line."},
        {"seed", Type::kInt, false, "1", "", "The same seed gives the same rows."}}},
      {"nexmark",
       {{"table", Type::kChoice, true, "", "bid|auction|person", "Which of the three streams."},
        {"events", Type::kInt, false, "0", "", "Events of all three streams together, of which 46 in 50 are bids; 0 = endless."},
        {"events_per_second", Type::kInt, false, "10000", "", "Of event time."},
        {"disorder", Type::kInt, false, "1", "", "Events are shuffled within groups of so many; 1 = in order."},
        {"seed", Type::kInt, false, "42", "", "The same seed gives the same rows."}}},
  };
  return tables;
}

const std::vector<ConnectorTable>& SinkTables() {
  static const std::vector<ConnectorTable> tables = {
      {"kafka",
       {{"topic", Type::kString, true, "", "", "Topic to write."},
        {"bootstrap_servers", Type::kString, false, "", "",
         "host:port, comma-separated; by default the cluster's KAFKA_BOOTSTRAP_SERVERS."},
        {"delivery", Type::kChoice, false, "", "|exactly_once|at_least_once|none",
         "By default exactly_once with checkpoints, at_least_once without."},
        {"value_format", Type::kChoice, false, "auto", "auto|string|bytes|json|avro|protobuf|json_schema",
         "auto: str as UTF-8, bytes as they are, anything else as JSON; avro, protobuf and json_schema take typed rows."},
        {"schema_registry", Type::kString, false, "", "",
         "http://host:port or https://host:port of the registry whose ids are put before each record."},
        {"schema_registry_auth", Type::kString, false, "", "", "user:password for the registry."},
        {"schema_registry_ca", Type::kString, false, "", "",
         "PEM text of the authorities that may have signed the registry's certificate."},
        {"schema_registry_certificate", Type::kString, false, "", "", "PEM text of the certificate that is shown to the registry."},
        {"schema_registry_key", Type::kString, false, "", "", "PEM text of that certificate's key."},
        {"subject_strategy", Type::kChoice, false, "topic", "topic|record|topic_record",
         "The subject of the schema: TOPIC-value, the record's full name, or TOPIC-NAME."},
        {"record_name", Type::kString, false, "Row", "",
         "Full name of the record of a schema made of the columns; the message of a .proto text."},
        {"schema", Type::kString, false, "", "", "The schema to write; by default it is made of the columns."},
        {"auto_register", Type::kBool, false, "true", "", "false: the registry must have the schema already."},
        {"use_latest", Type::kBool, false, "false", "", "Write the subject's newest schema, whatever the columns say."},
        {"key_columns", Type::kString, false, "", "", "Of typed rows: the columns that make the message key, as a JSON array of names."},
        {"timestamps", Type::kChoice, false, "iso", "iso|ms", "Of typed rows: ISO 8601 text, or ms since 1970."}}},
      {"file",
       {{"path", Type::kString, true, "", "", "Folder to write into."},
        {"format", Type::kChoice, false, "lines", "lines|json|csv|parquet",
         "lines: str(row); json: one JSON value a line; csv and parquet: typed rows."},
        {"compression", Type::kChoice, false, "snappy", "none|snappy|zstd|gzip|lz4", "format=parquet: of the columns' pages."},
        {"roll_bytes", Type::kInt, false, "67108864", "", "A file with so many bytes is complete."},
        {"roll_rows", Type::kInt, false, "0", "", "A file with so many rows is complete; 0 = any number."},
        {"roll_after_ms", Type::kDurationMs, false, "10000", "", "So long after its first row a file is complete."},
        {"timestamps", Type::kChoice, false, "iso", "iso|ms", "Of typed rows: ISO 8601 text, or ms since 1970."}}},
      {"collection", {}},
      {"print", {{"prefix", Type::kString, false, "", "", "Put before every row."}}},
      {"blackhole", {}},
  };
  return tables;
}

const std::vector<ConnectorTable>& Tables(bool is_source) { return is_source ? SourceTables() : SinkTables(); }

const std::vector<OptionSpec>* FindTable(bool is_source, std::string_view kind) {
  for (const ConnectorTable& table : Tables(is_source)) {
    if (table.kind == kind) return &table.options;
  }
  return nullptr;
}

const OptionSpec* FindOption(const ConnectorSpec& spec, bool is_source, std::string_view name) {
  const std::vector<OptionSpec>* table = FindTable(is_source, spec.kind);
  if (table == nullptr) return nullptr;
  for (const OptionSpec& option : *table) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::optional<std::int64_t> ParseInt(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  return std::nullopt;
}

bool IsChoice(std::string_view choices, std::string_view value) {
  for (;;) {
    const std::size_t bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

std::string ChoicesForPeople(std::string_view choices) {
  std::string text;
  while (!choices.empty()) {
    const std::size_t bar = choices.find('|');
    const std::string_view choice = choices.substr(0, bar);
    if (!choice.empty()) text += (text.empty() ? "" : ", ") + std::string(choice);
    choices.remove_prefix(bar == std::string_view::npos ? choices.size() : bar + 1);
  }
  return text;
}

/// At most 80 bytes, cut between characters: values may be long or hold secrets in their tail.
std::string Shown(std::string_view value) {
  if (value.size() <= 80) return std::string(value);
  std::size_t end = 77;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return std::string(value.substr(0, end)) + "...";
}

Status CheckValue(const OptionSpec& option, std::string_view value, std::string_view who) {
  const auto bad = [&](std::string_view expected) {
    return Error(ErrorCode::kBadOption, fmt::format("{}: option {} is \"{}\", but must be {}", who, option.name, Shown(value), expected));
  };
  switch (option.type) {
    case Type::kString:
      if (option.required && value.empty()) return Error(ErrorCode::kBadOption, fmt::format("{}: option {} is empty", who, option.name));
      return Status::OK();
    case Type::kInt: {
      const auto number = ParseInt(value);
      return number && *number >= 0 ? Status::OK() : bad("a whole number of 0 or more");
    }
    case Type::kBool:
      return ParseBool(value) ? Status::OK() : bad("true or false");
    case Type::kDurationMs:
      return ParseDurationMs(value).ok() ? Status::OK() : bad("milliseconds, or a number with ms, s, m or h");
    case Type::kChoice:
      return IsChoice(option.choices, value) ? Status::OK() : bad("one of " + ChoicesForPeople(option.choices));
  }
  return Status::OK();
}

Status CheckKind(const ConnectorSpec& spec, bool is_source, std::string_view who) {
  if (FindTable(is_source, spec.kind) != nullptr) return Status::OK();
  std::vector<std::string_view> kinds;
  for (const ConnectorTable& table : Tables(is_source)) {
    ConnectorSpec known;
    known.kind = table.kind;
    if (!known.IsLookedUpIn()) kinds.push_back(table.kind);
  }
  if (FindTable(!is_source, spec.kind) != nullptr) {
    return Error(ErrorCode::kUnknownConnector,
                 fmt::format("{}: connector \"{}\" is a {} only; {} are {}", who, spec.kind, is_source ? "sink" : "source",
                             is_source ? "sources" : "sinks", fmt::join(kinds, ", ")));
  }
  return Error(ErrorCode::kUnknownConnector,
               fmt::format("{}: there is no {} connector \"{}\"{}", who, is_source ? "source" : "sink", Shown(spec.kind),
                           DidYouMean(spec.kind, kinds)),
               fmt::format("Use one of {}.", fmt::join(kinds, ", ")));
}

Status UnknownOption(const ConnectorSpec& spec, bool is_source, std::string_view name, std::string_view who) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : *FindTable(is_source, spec.kind)) names.push_back(option.name);
  std::string hint = names.empty() ? fmt::format("The {} connector takes no options.", spec.kind)
                                   : fmt::format("Its options are {}.", fmt::join(names, ", "));
  return Error(ErrorCode::kUnknownOption,
               fmt::format("{}: the {} {} has no option \"{}\"{}", who, spec.kind, is_source ? "source" : "sink", Shown(name),
                           DidYouMean(name, names)),
               std::move(hint));
}

Status CheckOption(const ConnectorSpec& spec, bool is_source, const std::string& name, const std::string& value, std::string_view who) {
  if (value.size() > kMaxOptionBytes) {
    return Error(ErrorCode::kBadOption,
                 fmt::format("{}: option {} has {} bytes; at most {} are taken", who, Shown(name), value.size(), kMaxOptionBytes));
  }
  if (value.find('\0') != std::string::npos)
    return Error(ErrorCode::kBadOption, fmt::format("{}: option {} holds a NUL character", who, Shown(name)));
  if (spec.kind == "kafka" && name.starts_with(kPropertyPrefix)) {
    return CheckKafkaProperty(std::string_view(name).substr(kPropertyPrefix.size()), value, is_source, who);
  }
  const OptionSpec* option = FindOption(spec, is_source, name);
  if (option == nullptr) return UnknownOption(spec, is_source, name, who);
  return CheckValue(*option, value, who);
}

/// What Kafka itself takes as a topic name.
Status CheckTopic(std::string_view topic, std::string_view who) {
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  bool good = topic.size() <= 249 && topic != "." && topic != "..";
  for (char c : topic) good = good && legal(c);
  if (good) return Status::OK();
  return Error(ErrorCode::kBadOption,
               fmt::format("{}: \"{}\" cannot be a Kafka topic; names have up to 249 letters, digits, dots, underscores and dashes", who,
                           Shown(topic)));
}

Status CheckMetadata(const ConnectorSpec& spec, std::string_view who) {
  const auto columns = MetadataColumns(OptionString(spec, true, "metadata"));
  if (!columns.ok()) return Error(ErrorCode::kBadOption, fmt::format("{}: metadata: {}", who, columns.status().message()));
  if (!columns->empty() && spec.schema == nullptr)
    return Error(ErrorCode::kBadOption, fmt::format("{}: metadata goes into columns, but its rows have none", who), "Give it row_type=…");
  for (const MetadataColumn& column : *columns) {
    const auto field = spec.schema->GetFieldByName(column.column);
    if (field == nullptr)
      return Error(ErrorCode::kBadOption, fmt::format("{}: metadata: the row type has no column \"{:.100}\"", who, column.column));
    const Status fits = CheckMetadataType(column, *field->type());
    if (!fits.ok()) return Error(ErrorCode::kBadOption, fmt::format("{}: metadata: {}", who, fits.message()));
  }
  return Status::OK();
}

Status CheckKafka(const ConnectorSpec& spec, bool is_source, std::string_view who) {
  HR_RETURN_NOT_OK(CheckTopic(OptionString(spec, is_source, "topic"), who));
  const bool has_mechanism = spec.options.contains("property.sasl.mechanism") || spec.options.contains("property.sasl.mechanisms");
  auto protocol = spec.options.find("property.security.protocol");
  HR_RETURN_NOT_OK(
      CheckKafkaSecurity(protocol == spec.options.end() ? std::string_view() : std::string_view(protocol->second), has_mechanism, who));
  if (!is_source) return Status::OK();
  HR_RETURN_NOT_OK(CheckMetadata(spec, who));
  const std::string dead_letters = OptionString(spec, true, "dead_letter_topic");
  if ((OptionString(spec, true, "on_error") == "dead_letter") != !dead_letters.empty())
    return Error(ErrorCode::kBadOption, fmt::format("{}: on_error=dead_letter and dead_letter_topic need each other", who));
  if (!dead_letters.empty()) HR_RETURN_NOT_OK(CheckTopic(dead_letters, who));
  const bool by_time = OptionString(spec, true, "start") == "timestamp";
  if (by_time && !spec.options.contains("start_timestamp_ms"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: start=timestamp needs start_timestamp_ms", who));
  if (!by_time && spec.options.contains("start_timestamp_ms"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: start_timestamp_ms needs start=timestamp", who));
  return Status::OK();
}

Status CheckGenerator(const ConnectorSpec& spec, std::string_view who) {
  if (spec.schema != nullptr && (spec.schema->num_fields() != 1 || spec.schema->field(0)->type()->id() != arrow::Type::INT64 ||
                                 OptionString(spec, true, "kind") != "sequence"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: typed rows of a generator have one int64 column, and kind=sequence", who));
  for (const auto& [name, most] : {std::pair<std::string_view, std::int64_t>{"vocabulary", 10'000'000}, {"words_per_row", 10'000}}) {
    const std::int64_t value = OptionInt(spec, true, name);
    if (value < 1 || value > most)
      return Error(ErrorCode::kBadOption, fmt::format("{}: option {} is {}, but must be 1 to {}", who, name, value, most));
  }
  return Status::OK();
}

Status CheckFileSource(const ConnectorSpec& spec, std::string_view who) {
  if ((OptionString(spec, true, "on_error") == "dead_letter") != !OptionString(spec, true, "dead_letter_path").empty())
    return Error(ErrorCode::kBadOption, fmt::format("{}: on_error=dead_letter and dead_letter_path need each other", who));
  return Status::OK();
}

Status CheckFileSink(const ConnectorSpec& spec, std::string_view who) {
  for (const auto& [name, least] : {std::pair<std::string_view, std::int64_t>{"roll_bytes", 1}, {"roll_rows", 0}, {"roll_after_ms", 1}}) {
    const std::int64_t value = OptionInt(spec, false, name);
    if (value < least)
      return Error(ErrorCode::kBadOption, fmt::format("{}: option {} is {}, but must be {} or more", who, name, value, least));
  }
  return Status::OK();
}

Status CheckNexmark(const ConnectorSpec& spec, std::string_view who) {
  for (const auto& [name, most] : {std::pair<std::string_view, std::int64_t>{"events_per_second", 1'000'000'000}, {"disorder", 950}}) {
    const std::int64_t value = OptionInt(spec, true, name);
    if (value < 1 || value > most)
      return Error(ErrorCode::kBadOption, fmt::format("{}: option {} is {}, but must be 1 to {}", who, name, value, most));
  }
  return Status::OK();
}

Status CheckPostgres(const ConnectorSpec& spec, std::string_view who) {
  if (spec.options.contains("table") == spec.options.contains("query"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: the postgres table needs the option table or the option query", who));
  if (spec.options.contains("password") && spec.options.contains("password_env"))
    return Error(ErrorCode::kBadOption, fmt::format("{}: password and password_env exclude each other", who));
  struct Range {
    std::string_view name;
    std::int64_t least, most;
  };
  for (const Range& range : {Range{"port", 1, 65'535},
                             {"connections", 1, 64},
                             {"cache_keys", 0, 100'000'000},
                             {"max_in_flight", 1, 256},
                             {"timeout_ms", 1, 86'400'000},
                             {"retry_delay_ms", 1, 60'000}}) {
    const std::int64_t value = OptionInt(spec, true, range.name);
    if (value < range.least || value > range.most)
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: option {} is {}, but must be {} to {}", who, range.name, value, range.least, range.most));
  }
  return Status::OK();
}

}  // namespace

const std::vector<OptionSpec>* SourceOptions(std::string_view kind) { return FindTable(true, kind); }
const std::vector<OptionSpec>* SinkOptions(std::string_view kind) { return FindTable(false, kind); }

Status CheckConnector(const ConnectorSpec& spec, bool is_source, std::string_view who) {
  HR_RETURN_NOT_OK(CheckKind(spec, is_source, who));
  if (spec.options.size() > kMaxOptions)
    return Error(ErrorCode::kBadOption, fmt::format("{}: {} options; at most {} are taken", who, spec.options.size(), kMaxOptions));
  for (const auto& [name, value] : spec.options) HR_RETURN_NOT_OK(CheckOption(spec, is_source, name, value, who));
  for (const OptionSpec& option : *FindTable(is_source, spec.kind)) {
    if (option.required && !spec.options.contains(std::string(option.name))) {
      return Error(ErrorCode::kBadOption,
                   fmt::format("{}: the {} {} needs the option {}", who, spec.kind, is_source ? "source" : "sink", option.name));
    }
  }
  if (spec.kind == "kafka") HR_RETURN_NOT_OK(CheckKafka(spec, is_source, who));
  HR_RETURN_NOT_OK(CheckFormat(spec, is_source, who));
  if (spec.kind == "generator") HR_RETURN_NOT_OK(CheckGenerator(spec, who));
  if (spec.kind == "postgres") HR_RETURN_NOT_OK(CheckPostgres(spec, who));
  if (is_source && spec.kind == "file") HR_RETURN_NOT_OK(CheckFileSource(spec, who));
  if (!is_source && spec.kind == "file") HR_RETURN_NOT_OK(CheckFileSink(spec, who));
  if (is_source && spec.kind == "nexmark") HR_RETURN_NOT_OK(CheckNexmark(spec, who));
  if (!spec.payload.empty() && !(is_source && spec.kind == "collection")) {
    return Error(ErrorCode::kInvalidPlan, fmt::format("{}: the {} connector takes no payload", who, spec.kind));
  }
  return Status::OK();
}

std::string OptionString(const ConnectorSpec& spec, bool is_source, std::string_view name) {
  if (auto found = spec.options.find(std::string(name)); found != spec.options.end()) return found->second;
  const OptionSpec* option = FindOption(spec, is_source, name);
  return option == nullptr ? std::string() : std::string(option->default_value);
}

std::int64_t OptionInt(const ConnectorSpec& spec, bool is_source, std::string_view name) {
  const std::string text = OptionString(spec, is_source, name);
  const OptionSpec* option = FindOption(spec, is_source, name);
  const bool duration = option != nullptr && option->type == Type::kDurationMs;
  return duration ? ParseDurationMs(text).ValueOr(0) : ParseInt(text).value_or(0);
}

bool OptionBool(const ConnectorSpec& spec, bool is_source, std::string_view name) {
  return ParseBool(OptionString(spec, is_source, name)).value_or(false);
}

std::vector<std::pair<std::string, std::string>> KafkaProperties(const ConnectorSpec& spec) {
  std::vector<std::pair<std::string, std::string>> properties;
  for (const auto& [name, value] : spec.options) {
    if (name.starts_with(kPropertyPrefix)) properties.emplace_back(name.substr(kPropertyPrefix.size()), value);
  }
  return properties;
}

}  // namespace headrace::plan
