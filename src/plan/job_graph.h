#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "plan/changelog.h"
#include "plan/join.h"
#include "plan/lookup.h"
#include "plan/process.h"
#include "plan/relational.h"

namespace headrace::plan {

/// Where in the user's program an operator was made. Printed as file:line.
struct SourceLocation {
  std::string file;
  std::uint32_t line = 0;
  std::string code;
  std::string ToString() const { return file.empty() ? std::string("unknown place") : file + ":" + std::to_string(line); }
};

enum class Partitioning { kAuto, kForward, kHash, kRebalance, kBroadcast };

struct InputEdge {
  OperatorUid uid;
  Partitioning partitioning = Partitioning::kAuto;
  std::string tag = {};  ///< a side output of the producer; empty = its main output
};

/// A pickled Python callable; opaque outside the workers.
struct PythonFunction {
  enum class Verb { kMap, kFilter, kFlatMap, kKeyBy, kReduce };
  Verb verb = Verb::kMap;
  std::string pickled;
  std::string display_name;
  std::shared_ptr<arrow::Schema> returns = nullptr;  ///< map, flat_map: typed rows that it gives; null = untyped
  std::uint32_t in_flight = 0;                       ///< map: calls that it waits for at a time; 0 = it waits for none
};

struct ConnectorSpec {
  std::string kind;
  std::map<std::string, std::string> options;
  std::string payload;
  bool bounded = false;
  std::shared_ptr<arrow::Schema> schema = nullptr;  ///< typed rows; null = untyped. Of a sink: those that come, filled by its task
  std::string record_type = {};                     ///< "module:qualname" of the Python class of typed rows; empty = dict
  /// A table that a lookup join asks key by key, instead of reading it whole.
  bool IsLookedUpIn() const { return kind == "postgres"; }
};
struct SourceSpec {
  ConnectorSpec connector;
};
struct SinkSpec {
  ConnectorSpec connector;
};
struct UnionSpec {};

using OperatorKind = std::variant<SourceSpec, PythonFunction, UnionSpec, SinkSpec, SelectSpec, WhereSpec, EventTimeSpec, AggregateSpec,
                                  TopSpec, JoinSpec, DeduplicateSpec, ProcessSpec, LookupSpec>;

struct OperatorSpec {
  OperatorUid uid;
  std::string name;
  std::uint32_t parallelism = 0;  ///< 0 = the job's default until validation fills it
  std::vector<InputEdge> inputs;
  SourceLocation location;
  bool uid_is_explicit = false;
  OperatorKind kind;
  /// Typed rows that leave the operator, filled by validation; null = untyped.
  std::shared_ptr<arrow::Schema> schema;
  Changelog changelog = Changelog::kAppend;  ///< of these rows; filled by validation

  bool is_source() const { return std::holds_alternative<SourceSpec>(kind); }
  bool is_sink() const { return std::holds_alternative<SinkSpec>(kind); }
  const PythonFunction* python() const { return std::get_if<PythonFunction>(&kind); }
  bool is_python(PythonFunction::Verb verb) const { return python() != nullptr && python()->verb == verb; }
  /// "source", "map", "filter", "flat_map", "key_by", "reduce", "union", "sink", "select", "where", "event_time", "aggregate", "top",
  /// "join", "deduplicate", "process"
  std::string KindName() const;
  /// `map "parse" (uid 1a2b, job.py:12)`: how every error names an operator.
  std::string Describe() const;
};

struct RestartSettings {
  enum class Kind { kDefault, kNone, kFixedDelay, kExponential };
  Kind kind = Kind::kDefault;
  std::uint32_t max_attempts = 0;
  std::uint64_t delay_ms = 0, initial_delay_ms = 0, max_delay_ms = 0;
};

struct JobSettings {
  std::uint32_t parallelism = 1;
  std::uint32_t max_parallelism = 128;
  std::uint64_t checkpoint_interval_ms = 0;
  RestartSettings restart;
  std::uint32_t value_encoding_version = 1;
};

/// Whether the operator runs any Python.
bool RunsPython(const OperatorSpec& spec);

/// A file set shipped with the job: gzip-compressed tar.
struct Archive {
  std::string name;
  BlobId sha256;
  std::string content;
  bool python_path = false;
};

/// A job as its author wrote it. A pure value: no threads, no I/O.
struct JobGraph {
  std::string job_name;
  JobSettings settings;
  std::vector<OperatorSpec> operators;
  std::vector<Archive> archives;
  std::vector<std::string> python_requirements;
  std::string python_version;  ///< from the job file's header, e.g. "3.11"; empty when the job has no functions

  const OperatorSpec* Find(const OperatorUid& uid) const;
  bool has_python() const;
};

}  // namespace headrace::plan
