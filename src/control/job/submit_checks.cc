#include "control/job/submit_checks.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <set>
#include <utility>

#include "plan/connector_options.h"
#include "plan/join.h"

namespace headrace::control::job {

Result<JobDescription> PrepareJob(const JobFileReader& read, const metastore::JobRecord& record) {
  HR_ASSIGN_OR_RAISE(plan::JobGraph graph, read(record.job_file));
  if (!record.name.empty()) graph.job_name = record.name;
  HR_ASSIGN_OR_RAISE(graph, plan::Validate(std::move(graph), record.parallelism_override));
  JobDescription description;
  HR_ASSIGN_OR_RAISE(description.plan, plan::Chain(graph));
  description.record = {record.id, graph.job_name, "", record.parallelism_override, record.submitted_wall_ms, record.idempotency_key};
  description.archives = std::move(graph.archives);
  description.warnings = SubmitWarnings(*description.plan);
  return description;
}

Status CheckPythonVersion(const plan::ExecutionPlan& plan, const cluster::TaskManagerRegistry& registry) {
  if (!plan.has_python || plan.python_version.empty()) return Status::OK();
  std::set<std::string> versions;
  for (const auto& [id, entry] : registry.entries()) {
    if (entry.status == cluster::ProcessStatus::kLost || entry.info.python_version.empty()) continue;
    if (entry.info.python_version == plan.python_version) return Status::OK();
    versions.insert(entry.info.python_version);
  }
  if (versions.empty()) return Status::OK();
  return Error(ErrorCode::kPythonVersion, fmt::format("The job file was written with Python {}, and the TaskManagers run Python {}.",
                                                      plan.python_version, fmt::join(versions, ", ")));
}

namespace {

/// Names what a join keeps for ever.
void AddStateWarning(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, const plan::OperatorSpec& op,
                     const plan::JoinSpec& join, std::vector<std::string>* warnings) {
  if (join.bound != plan::JoinSpec::Bound::kNone || (join.ttl_ms[0] > 0 && join.ttl_ms[1] > 0)) return;
  std::vector<std::shared_ptr<arrow::Schema>> inputs;
  for (const std::uint32_t edge : vertex.input_edges) inputs.push_back(plan.vertices[plan.edges[edge].producer].operators.back().schema);
  const auto columns = plan::ColumnsOf(op, join, inputs);
  if (columns.ok() && columns->by_window_columns) return;
  const char* side = join.ttl_ms[0] > 0 ? "its right stream" : join.ttl_ms[1] > 0 ? "its left stream" : "both streams";
  warnings->push_back(
      fmt::format("{}: every row of {} is kept for ever, as the join has no bound in time: its state will grow as long as the job runs. "
                  "Give it window=, between= or ttl=.",
                  op.Describe(), side));
}

}  // namespace

std::vector<std::string> SubmitWarnings(const plan::ExecutionPlan& plan) {
  std::vector<std::string> warnings;
  for (const plan::ExecutionVertex& vertex : plan.vertices) {
    for (const plan::OperatorSpec& op : vertex.operators) {
      if (const auto* join = std::get_if<plan::JoinSpec>(&op.kind); join != nullptr && !plan.bounded())
        AddStateWarning(plan, vertex, op, *join, &warnings);
      const auto* sink = std::get_if<plan::SinkSpec>(&op.kind);
      if (sink == nullptr || sink->connector.kind != "kafka") continue;
      if (plan::OptionString(sink->connector, /*is_source=*/false, "delivery") == "exactly_once") {
        warnings.push_back(fmt::format("{}: exactly_once is not active yet; the sink delivers every record at least once.", op.Describe()));
      }
    }
  }
  if (plan.settings.checkpoint_interval_ms > 0) {
    warnings.push_back(
        fmt::format("Checkpoints every {} ms are recorded but not active yet; after a failure the job reads again from where it started.",
                    plan.settings.checkpoint_interval_ms));
  }
  return warnings;
}

OutsideChecks::OutsideChecks(Executor* executor, SplitPlanner* planner) : planner_(planner), mailbox_(executor) {}

void OutsideChecks::Start(std::shared_ptr<const plan::ExecutionPlan> plan, Duration patience, Done done) {
  plan_ = std::move(plan);
  done_ = std::move(done);
  for (const plan::ExecutionVertex& vertex : plan_->vertices) {
    for (const plan::OperatorSpec& op : vertex.operators) {
      if (op.is_source() || op.is_sink()) waiting_.emplace(op.uid, &op);
    }
  }
  mailbox_.After(patience, [this] {
    while (!waiting_.empty()) Note(*waiting_.begin()->second, Error(ErrorCode::kBrokerUnreachable, "no answer in time"), /*unknown=*/true);
    Settle();
  });
  // A planner may answer for several in one go; the list is complete before the first is asked.
  const std::map<OperatorUid, const plan::OperatorSpec*> all = waiting_;
  for (const auto& [uid, op] : all) CheckOne(*op);
}

void OutsideChecks::CheckOne(const plan::OperatorSpec& op) {
  if (op.is_source()) {
    planner_->PlanSplits(op, mailbox_.Bind([this, &op](Outcome<std::vector<plan::SourceSplit>> outcome) {
      if (waiting_.count(op.uid) == 0) return;
      if (outcome.done()) {
        findings_.planned[op.uid] = outcome.TakeValue();
        waiting_.erase(op.uid);
      } else {
        Note(op, outcome.reason(), outcome.unknown());
      }
      Settle();
    }));
  } else {
    planner_->CheckSink(op, mailbox_.Bind([this, &op](Outcome<Nothing> outcome) {
      if (waiting_.count(op.uid) == 0) return;
      if (outcome.done()) {
        waiting_.erase(op.uid);
      } else {
        Note(op, outcome.reason(), outcome.unknown());
      }
      Settle();
    }));
  }
}

void OutsideChecks::Note(const plan::OperatorSpec& op, const Status& reason, bool unknown) {
  waiting_.erase(op.uid);
  if (unknown || WhoActsOn(reason) == WhoActs::kTransient) {
    findings_.warnings.push_back(
        fmt::format("{}: {} The job is accepted and goes on by itself once it answers.", op.Describe(), reason.message()));
  } else if (findings_.error.ok()) {
    findings_.error = WithContext(reason, op.Describe());
  }
}

void OutsideChecks::Settle() {
  if (!done_ || (!waiting_.empty() && findings_.error.ok())) return;
  const Done done = std::exchange(done_, nullptr);
  mailbox_.Close();
  done(std::move(findings_));
}

}  // namespace headrace::control::job
