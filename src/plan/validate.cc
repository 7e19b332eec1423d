#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/nearest_name.h"
#include "columnar/data_batch.h"
#include "plan/collection_payload.h"
#include "plan/column_pruning.h"
#include "plan/connector_options.h"
#include "plan/execution_plan.h"
#include "plan/row_schema.h"
#include "plan/topology.h"

namespace headrace::plan {
namespace {

constexpr std::size_t kMaxOperators = 1000;
constexpr std::size_t kMaxInputs = 10'000;
constexpr std::size_t kMaxNameBytes = 200;
constexpr std::size_t kMaxFileBytes = 4096, kMaxCodeBytes = 4096;
constexpr std::size_t kMaxArchives = 100;
constexpr std::size_t kMaxStates = 100, kMaxNativeOptions = 64 << 10;
constexpr std::uint32_t kMaxMaxParallelism = 32'768;
constexpr std::uint32_t kDefaultMaxParallelism = 128;
constexpr std::uint32_t kValueEncodingVersion = 1;

Status Invalid(std::string message, std::string hint = {}) { return Error(ErrorCode::kInvalidPlan, std::move(message), std::move(hint)); }

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// Names are printed in logs and pages: short, and without line breaks that could forge a line.
Status CheckName(std::string_view what, std::string_view name, std::string_view who) {
  if (name.size() > kMaxNameBytes)
    return Invalid(fmt::format("{}: the {} has {} bytes; at most {} are taken", who, what, name.size(), kMaxNameBytes),
                   "Choose a shorter name.");
  if (HasControlCharacter(name))
    return Invalid(fmt::format("{}: the {} holds a control character", who, what), "Choose a name on one line.");
  return Status::OK();
}

/// File and line stand in most messages about an operator.
Status CheckLocation(const OperatorSpec& spec, std::size_t index) {
  const auto refuse = [&](std::string_view why) { return Invalid(fmt::format("{} number {}: {}", spec.KindName(), index + 1, why)); };
  if (spec.location.file.size() > kMaxFileBytes)
    return refuse(
        fmt::format("the file it was made in has a name of {} bytes; at most {} are taken", spec.location.file.size(), kMaxFileBytes));
  if (HasControlCharacter(spec.location.file)) return refuse("the name of the file it was made in holds a control character");
  if (spec.location.code.size() > kMaxCodeBytes)
    return refuse(fmt::format("the line it was made in has {} bytes; at most {} are taken", spec.location.code.size(), kMaxCodeBytes));
  return Status::OK();
}

/// Names an operator whose own name may be what is wrong with it.
std::string Position(const OperatorSpec& spec, std::size_t index) {
  return fmt::format("{} number {} ({})", spec.KindName(), index + 1, spec.location.ToString());
}

class Validator {
 public:
  Validator(JobGraph graph, std::uint32_t parallelism_override) : graph_(std::move(graph)), override_(parallelism_override) {}

  Result<JobGraph> Run() && {
    HR_RETURN_NOT_OK(CheckSize());
    HR_RETURN_NOT_OK(CheckNames());
    HR_RETURN_NOT_OK(FillSettings());
    HR_RETURN_NOT_OK(CheckInputs());
    HR_ASSIGN_OR_RAISE(topology_, Topology::Of(graph_));
    HR_RETURN_NOT_OK(FillSchemas());
    HR_RETURN_NOT_OK(FillChangelogs(topology_, &graph_));
    for (std::size_t i = 0; i < graph_.operators.size(); ++i) HR_RETURN_NOT_OK(CheckConsumers(i));
    updated_in_one_.resize(graph_.operators.size());
    for (const std::size_t i : topology_.order()) HR_RETURN_NOT_OK(FillParallelism(i));
    for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
      HR_RETURN_NOT_OK(CheckPartitioning(i));
      HR_RETURN_NOT_OK(CheckBody(graph_.operators[i]));
    }
    HR_RETURN_NOT_OK(CheckArchives());
    HR_RETURN_NOT_OK(PruneColumns(topology_, &graph_));
    return std::move(graph_);
  }

 private:
  Status CheckSize() const {
    if (graph_.operators.empty()) return Invalid("the job has no operators", "Add a source and a sink before the job graph is taken.");
    if (graph_.operators.size() > kMaxOperators)
      return Invalid(fmt::format("the job has {} operators; at most {} are taken", graph_.operators.size(), kMaxOperators),
                     "Split the job.");
    std::size_t inputs = 0;
    for (const OperatorSpec& spec : graph_.operators) inputs += spec.inputs.size();
    if (inputs > kMaxInputs)
      return Invalid(fmt::format("the job has {} connections between operators; at most {} are taken", inputs, kMaxInputs),
                     "Split the job.");
    return Status::OK();
  }

  Status CheckNames() {
    if (graph_.job_name.empty()) graph_.job_name = "job";
    HR_RETURN_NOT_OK(CheckName("job name", graph_.job_name, "the job"));
    std::unordered_map<OperatorUid, const OperatorSpec*> seen;
    for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
      OperatorSpec& spec = graph_.operators[i];
      HR_RETURN_NOT_OK(CheckLocation(spec, i));
      const std::string who = Position(spec, i);
      if (spec.uid.empty()) return Invalid(fmt::format("{} has no uid", who));
      HR_RETURN_NOT_OK(CheckName("uid", spec.uid.str(), who));
      HR_RETURN_NOT_OK(CheckName("name", spec.name, who));
      if (spec.name.empty()) spec.name = spec.KindName();
      auto [other, fresh] = seen.emplace(spec.uid, &spec);
      if (!fresh)
        return Error(ErrorCode::kDuplicateUid, fmt::format("{} has the same uid as {}", spec.Describe(), other->second->Describe()));
    }
    return Status::OK();
  }

  Status FillSettings() {
    JobSettings& settings = graph_.settings;
    if (settings.max_parallelism == 0) settings.max_parallelism = kDefaultMaxParallelism;
    if (settings.max_parallelism > kMaxMaxParallelism) {
      return Error(ErrorCode::kBadParallelism,
                   fmt::format("the job's max_parallelism is {}; at most {} is taken", settings.max_parallelism, kMaxMaxParallelism),
                   "Use a smaller max_parallelism.");
    }
    if (override_ != 0) settings.parallelism = override_;
    if (settings.parallelism == 0) settings.parallelism = 1;
    if (settings.parallelism > settings.max_parallelism) {
      return Error(ErrorCode::kBadParallelism, fmt::format("the job's parallelism {} is above its max_parallelism of {}",
                                                           settings.parallelism, settings.max_parallelism));
    }
    if (settings.value_encoding_version == 0) settings.value_encoding_version = kValueEncodingVersion;
    if (settings.value_encoding_version != kValueEncodingVersion) {
      return Error(ErrorCode::kUnknownFeature, fmt::format("the job's value encoding has version {}; this cluster knows version {}",
                                                           settings.value_encoding_version, kValueEncodingVersion));
    }
    const RestartSettings& restart = settings.restart;
    if (restart.kind == RestartSettings::Kind::kExponential && restart.max_delay_ms != 0 &&
        restart.initial_delay_ms > restart.max_delay_ms) {
      return Invalid(fmt::format("the job's restart strategy starts with a delay of {} ms, above its longest of {} ms",
                                 restart.initial_delay_ms, restart.max_delay_ms));
    }
    return Status::OK();
  }

  Status CheckInputs() const {
    std::vector<std::string_view> uids;
    std::unordered_map<OperatorUid, const OperatorSpec*> by_uid;
    for (const OperatorSpec& spec : graph_.operators) {
      uids.push_back(spec.uid.str());
      by_uid.emplace(spec.uid, &spec);
    }
    for (const OperatorSpec& spec : graph_.operators) {
      if (spec.is_source() && !spec.inputs.empty()) return Invalid(fmt::format("{} has an input; sources take none", spec.Describe()));
      if (!spec.is_source() && spec.inputs.empty()) return Invalid(fmt::format("{} has no input", spec.Describe()));
      const bool is_union = std::holds_alternative<UnionSpec>(spec.kind);
      const auto* process = std::get_if<ProcessSpec>(&spec.kind);
      const bool is_pair = process != nullptr && process->two_inputs;
      if (is_pair && spec.inputs.size() != 2)
        return Invalid(fmt::format("{} has {} inputs, but it connects two", spec.Describe(), spec.inputs.size()));
      const bool is_join = std::holds_alternative<JoinSpec>(spec.kind);
      if (is_join && spec.inputs.size() != 2)
        return Invalid(fmt::format("{} has {} inputs, but a join takes two", spec.Describe(), spec.inputs.size()));
      if (!is_union && !is_pair && !is_join && spec.inputs.size() > 1)
        return Invalid(fmt::format("{} has {} inputs, but a {} takes one", spec.Describe(), spec.inputs.size(), spec.KindName()),
                       "Join the streams with union() first.");
      for (const InputEdge& input : spec.inputs) {
        auto producer = by_uid.find(input.uid);
        if (producer == by_uid.end()) {
          return Invalid(fmt::format("{} reads from uid \"{}\", which is not in the graph{}", spec.Describe(),
                                     input.uid.str().substr(0, kMaxNameBytes), DidYouMean(input.uid.str(), uids)));
        }
        if (producer->second->is_sink())
          return Invalid(fmt::format("{} reads from {}; a sink has no output", spec.Describe(), producer->second->Describe()));
      }
    }
    return Status::OK();
  }

  /// Every stream must end in a sink: in a graph without cycles that is so when every operator but a sink has a consumer.
  Status CheckConsumers(std::size_t index) const {
    const OperatorSpec& spec = graph_.operators[index];
    if (spec.is_sink() || !topology_.consumers(index).empty()) return Status::OK();
    return Error(ErrorCode::kNoSink, fmt::format("nothing takes the rows of {}", spec.Describe()));
  }

  Status FillSchemas() {
    for (const std::size_t index : topology_.order()) {
      std::vector<std::shared_ptr<arrow::Schema>> inputs;
      for (std::size_t i = 0; i < topology_.producers(index).size(); ++i) {
        HR_ASSIGN_OR_RAISE(auto schema, InputSchema(index, i));
        inputs.push_back(std::move(schema));
      }
      OperatorSpec& spec = graph_.operators[index];
      HR_ASSIGN_OR_RAISE(spec.schema, SchemaOf(spec, inputs));
      // Plain values travel as such a column: one of typed rows would be taken for them.
      if (spec.schema != nullptr && spec.schema->num_fields() == 1 && spec.schema->field(0)->name() == columnar::kValueColumn)
        return Invalid(fmt::format("{}: its rows have one column, and it is called \"value\", as that of plain values", spec.Describe()),
                       "Give the column another name.");
    }
    return Status::OK();
  }

  /// The typed rows of an input: those that its producer gives out, or gives to the side output that is read.
  Result<std::shared_ptr<arrow::Schema>> InputSchema(std::size_t index, std::size_t input) const {
    const std::size_t producer = topology_.producers(index)[input];
    const std::string& tag = graph_.operators[index].inputs[input].tag;
    if (tag.empty()) return graph_.operators[producer].schema;
    if (!HasSideOutput(graph_.operators[producer], tag))
      return Invalid(fmt::format("{} reads the side output \"{:.100}\" of {}, which has none of that name",
                                 graph_.operators[index].Describe(), tag, graph_.operators[producer].Describe()),
                     "Name it where the rows are made, as late_to() does.");
    if (std::holds_alternative<ProcessSpec>(graph_.operators[producer].kind)) return nullptr;
    return RowsOfSide(graph_.operators[producer],
                      graph_.operators[topology_.producers(producer)[InputOfSide(graph_.operators[producer], tag)]].schema);
  }

  static bool KeepsOrder(const OperatorSpec& spec) {
    return spec.is_sink() || std::holds_alternative<SelectSpec>(spec.kind) || std::holds_alternative<WhereSpec>(spec.kind);
  }

  Status FillParallelism(std::size_t index) {
    OperatorSpec& spec = graph_.operators[index];
    if (!topology_.producers(index).empty() && MeetsInOne(spec, InputSchema(index, 0).ValueOr(nullptr).get())) {
      if (spec.parallelism > 1) {
        return Error(
            ErrorCode::kBadParallelism,
            fmt::format("{} has no keys, so all rows meet in one subtask, but its parallelism is {}", spec.Describe(), spec.parallelism),
            "Leave its parallelism away, or group by a column.");
      }
      spec.parallelism = 1;
      updated_in_one_[index] = spec.changelog != Changelog::kAppend;
      return Status::OK();
    }
    // Dealt out over subtasks, an older state of the one group could overtake a newer one.
    if (spec.parallelism == 0 && KeepsOrder(spec) && updated_in_one_[topology_.producers(index)[0]]) {
      spec.parallelism = 1;
      updated_in_one_[index] = true;
      return Status::OK();
    }
    if (override_ != 0 || spec.parallelism == 0) spec.parallelism = graph_.settings.parallelism;
    if (spec.parallelism <= graph_.settings.max_parallelism) return Status::OK();
    return Error(ErrorCode::kBadParallelism, fmt::format("{}: its parallelism {} is above the job's max_parallelism of {}", spec.Describe(),
                                                         spec.parallelism, graph_.settings.max_parallelism));
  }

  Status CheckPartitioning(std::size_t index) const {
    const OperatorSpec& spec = graph_.operators[index];
    for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
      const OperatorSpec& producer = graph_.operators[topology_.producers(index)[i]];
      const Partitioning partitioning = spec.inputs[i].partitioning;
      const bool keyed = IsKeyed(producer);
      if (NeedsKey(spec)) {
        if (!keyed)
          return Invalid(fmt::format("{} reads from {}, which is not keyed", spec.Describe(), producer.Describe()),
                         fmt::format("Put key_by() right before {}().", spec.KindName()));
        if (partitioning != Partitioning::kAuto && partitioning != Partitioning::kHash)
          return Invalid(fmt::format("{} must get its rows by key, not by another partitioning", spec.Describe()));
      }
      const auto* process = std::get_if<ProcessSpec>(&spec.kind);
      if (process != nullptr && process->broadcast && (partitioning == Partitioning::kBroadcast) != (i == 1))
        return Invalid(fmt::format("{} gets rows of its {} stream from {}, which {} broadcast", spec.Describe(),
                                   i == 0 ? "first" : "second", producer.Describe(), i == 0 ? "must not be" : "must be"));
      const bool meets = spec.parallelism > 1 && !MeetingColumns(spec, InputSchema(index, i).ValueOr(nullptr).get(), i).empty();
      if (meets && partitioning != Partitioning::kAuto)
        return Invalid(fmt::format("{} gets its rows by its columns, but its input from {} asks for another partitioning", spec.Describe(),
                                   producer.Describe()),
                       "Leave rebalance(), forward() and broadcast() away in front of it.");
      if (partitioning == Partitioning::kHash && !keyed)
        return Invalid(fmt::format("{} asks for rows by key, but {} is not keyed", spec.Describe(), producer.Describe()),
                       "Put key_by() before it.");
      if (partitioning == Partitioning::kForward && spec.parallelism != producer.parallelism) {
        return Error(ErrorCode::kBadParallelism,
                     fmt::format("{} asks for forward rows from {}, but their parallelisms are {} and {}", spec.Describe(),
                                 producer.Describe(), spec.parallelism, producer.parallelism),
                     "Give both the same parallelism, or use rebalance().");
      }
    }
    return Status::OK();
  }

  /// The inside of one operator; derives whether a source ends by itself.
  Status CheckBody(OperatorSpec& spec) const {
    if (const PythonFunction* function = spec.python()) {
      if (function->pickled.empty()) return Invalid(fmt::format("{} has no function", spec.Describe()));
      return CheckName("function's name", function->display_name, spec.Describe());
    }
    if (const auto* process = std::get_if<ProcessSpec>(&spec.kind)) return CheckProcess(*process, spec);
    if (auto* source = std::get_if<SourceSpec>(&spec.kind)) {
      ConnectorSpec& connector = source->connector;
      HR_RETURN_NOT_OK(CheckConnector(connector, true, spec.Describe()));
      if (connector.IsLookedUpIn())
        return Invalid(fmt::format("{}: a {} table is no source of rows", spec.Describe(), connector.kind),
                       "Give it to lookup_join() of a stream.");
      connector.bounded = IsBounded(connector);
      if (connector.kind == "collection") return CheckCollection(connector.payload, spec);
    }
    if (auto* lookup = std::get_if<LookupSpec>(&spec.kind)) return CheckTable(lookup, spec);
    if (const auto* sink = std::get_if<SinkSpec>(&spec.kind)) return CheckConnector(sink->connector, false, spec.Describe());
    return Status::OK();
  }

  static Status CheckNative(const ProcessSpec& process, const OperatorSpec& spec) {
    if (!IsNativeName(process.library) || !IsNativeName(process.display_name))
      return Invalid(fmt::format("{}: \"{:.100}\" and \"{:.100}\" do not name a native function", spec.Describe(), process.library,
                                 process.display_name),
                     "Names have letters, digits, _ and, of a library, -.");
    if (process.two_inputs || process.keys.empty() || process.returns == nullptr || !process.states.empty() || !process.pickled.empty())
      return Invalid(fmt::format("{}: a native function takes one stream by key columns, and its rows are declared", spec.Describe()),
                     "Write rows.group_by(…).process(native(…), returns={…}).");
    if (process.native_options.size() > kMaxNativeOptions)
      return Invalid(fmt::format("{}: its options have {} bytes; at most {} are taken", spec.Describe(), process.native_options.size(),
                                 kMaxNativeOptions));
    return Status::OK();
  }
  static Status CheckProcess(const ProcessSpec& process, const OperatorSpec& spec) {
    if (process.is_native()) return CheckNative(process, spec);
    if (process.pickled.empty()) return Invalid(fmt::format("{} has no function", spec.Describe()));
    if (process.broadcast && (!process.two_inputs || !process.keys.empty() || !process.second_keys.empty()))
      return Invalid(fmt::format("{} has broadcast state, but not two streams without keys", spec.Describe()));
    if (process.states.size() > kMaxStates)
      return Invalid(fmt::format("{} declares {} states; at most {} are taken", spec.Describe(), process.states.size(), kMaxStates));
    std::unordered_set<std::string_view> names;
    for (const StateDeclaration& state : process.states) {
      HR_RETURN_NOT_OK(CheckName("name of a state", state.name, spec.Describe()));
      if (state.name.empty() || !names.insert(state.name).second)
        return Invalid(fmt::format("{} declares two states \"{}\", or one without a name", spec.Describe(), state.name));
    }
    return CheckName("function's name", process.display_name, spec.Describe());
  }
  Status CheckTable(LookupSpec* lookup, const OperatorSpec& spec) const {
    ConnectorSpec table = *lookup->table;
    HR_RETURN_NOT_OK(CheckConnector(table, true, spec.Describe()));
    table.bounded = IsBounded(table);
    if (table.IsLookedUpIn()) return Status::OK();
    if (!table.bounded || table.kind == "kafka")
      return Invalid(fmt::format("{}: its table comes from a {} source; it must end, and be local", spec.Describe(), table.kind),
                     "Take a collection or a file, or join two streams.");
    if (table.kind == "collection") HR_RETURN_NOT_OK(CheckCollection(table.payload, spec));
    lookup->table = std::make_shared<const ConnectorSpec>(std::move(table));
    return Status::OK();
  }

  static bool IsBounded(const ConnectorSpec& connector) {
    if (connector.kind == "kafka") return OptionString(connector, true, "stop_at") == "latest";
    if (connector.kind == "generator") return OptionInt(connector, true, "count") > 0;
    if (connector.kind == "nexmark") return OptionInt(connector, true, "events") > 0;
    return true;
  }

  static Status CheckCollection(const std::string& payload, const OperatorSpec& spec) {
    const Status status = CheckCollectionPayload(payload);
    if (!status.ok()) return Invalid(fmt::format("{}: its elements cannot be decoded: {}", spec.Describe(), status.message()));
    return Status::OK();
  }

  Status CheckArchives() const {
    if (graph_.archives.size() > kMaxArchives)
      return Invalid(fmt::format("the job ships {} archives; at most {} are taken", graph_.archives.size(), kMaxArchives));
    std::unordered_set<std::string_view> names;
    for (const Archive& archive : graph_.archives) {
      HR_RETURN_NOT_OK(CheckName("archive name", archive.name, "the job"));
      if (archive.name.empty() || archive.name.find('/') != std::string::npos || archive.name == "." || archive.name == "..") {
        return Invalid(fmt::format("\"{}\" cannot be the name of an archive", archive.name), "Use a plain name without slashes.");
      }
      if (!names.insert(archive.name).second) return Invalid(fmt::format("two archives of the job are named \"{}\"", archive.name));
    }
    return Status::OK();
  }

  JobGraph graph_;
  std::uint32_t override_;
  Topology topology_;
  std::vector<bool> updated_in_one_;  // by operator: gives states of one group, from one subtask
};

}  // namespace

Result<JobGraph> Validate(JobGraph graph, std::uint32_t parallelism_override) {
  return Validator(std::move(graph), parallelism_override).Run();
}

}  // namespace headrace::plan
