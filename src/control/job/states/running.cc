#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/executor.h"
#include "base/logging.h"
#include "control/cluster/leadership.h"
#include "control/job/split_planner.h"
#include "control/job/states/result_writer.h"
#include "control/job/states/rollout.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

using metastore::SplitRecord;

class Running final : public JobStateHandler {
 public:
  explicit Running(JobMaster* job) : JobStateHandler(job), writer_(job) {}
  JobState state() const override { return JobState::kRunning; }

  void Enter() override {
    mailbox().After(job().services().timing.healthy_after, [this] { job().strategy().OnHealthy(); });
    for (const plan::ExecutionVertex& vertex : job().facts().description.plan->vertices) {
      for (const plan::OperatorSpec& op : vertex.operators) {
        if (op.is_source()) ScheduleDiscovery(vertex, op);
      }
    }
    CheckFinished();
  }

  void Leave() override {
    JobStateHandler::Leave();
    writer_.Close();
  }

  void OnTaskReport(const wire::TaskReport& report) override {
    if (finishing_) return;
    if (report.state == wire::TaskState::kFailed || report.state == wire::TaskState::kCanceled) {
      ExceptionEntry entry = job().EntryOf(report);
      const JobMaster::FailureKind kind = JobMaster::KindOf(entry.failure);
      return job().FailDeployment(std::move(entry), kind);
    }
    CheckFinished();
  }

  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override {
    if (needed && !finishing_) job().FailDeployment(LossEntry(job(), process), JobMaster::FailureKind::kProcessLost);
  }

 private:
  void CheckFinished() {
    if (finishing_ || !job().facts().execution.all_finished()) return;
    finishing_ = true;
    writer_.Write(JobState::kFinished);
  }

  void ScheduleDiscovery(const plan::ExecutionVertex& vertex, const plan::OperatorSpec& source) {
    const std::int64_t interval_ms = job().services().planner->DiscoveryIntervalMs(source);
    if (interval_ms > 0) mailbox().After(std::chrono::milliseconds(interval_ms), [this, &vertex, &source] { Discover(vertex, source); });
  }

  void Discover(const plan::ExecutionVertex& vertex, const plan::OperatorSpec& source) {
    ScheduleDiscovery(vertex, source);
    if (finishing_ || !job().services().leadership->may_act() || asking_.count(source.uid) != 0) return;
    asking_.insert(source.uid);
    job().services().planner->FindNewSplits(source, job().facts().sources[source.uid].splits,
                                            mailbox().Bind([this, &vertex, &source](Outcome<std::vector<plan::SourceSplit>> outcome) {
                                              if (!outcome.done() || outcome.value().empty()) {
                                                asking_.erase(source.uid);  // what is away now is asked again at the next interval
                                                return;
                                              }
                                              std::vector<SplitRecord> records;
                                              for (const plan::SourceSplit& split : outcome.value())
                                                records.push_back({source.uid, split.id, split.payload});
                                              Store(vertex, source, std::move(records));
                                            }));
  }

  void Store(const plan::ExecutionVertex& vertex, const plan::OperatorSpec& source, std::vector<SplitRecord> records) {
    JobServices& services = job().services();
    services.store->InsertSplits(services.leadership->grant(), job().id(), std::move(records),
                                 mailbox().Bind([this, &vertex, &source](Outcome<std::vector<SplitRecord>> outcome) {
                                   asking_.erase(source.uid);
                                   if (!outcome.done())
                                     return job().services().leadership->NoteRefusal(outcome.reason());  // found again at the next interval
                                   AddStored(vertex, source, outcome.value());
                                 }));
  }

  /// Hands out what the store holds and the job does not know yet, round robin behind the known ones.
  void AddStored(const plan::ExecutionVertex& vertex, const plan::OperatorSpec& source, const std::vector<SplitRecord>& records) {
    std::vector<plan::SourceSplit>& known = job().facts().sources[source.uid].splits;
    for (const SplitRecord& record : records) {
      if (record.source != source.uid) continue;
      if (std::any_of(known.begin(), known.end(), [&](const plan::SourceSplit& split) { return split.id == record.split_id; })) continue;
      const auto subtask = static_cast<std::uint32_t>(known.size() % vertex.parallelism);
      known.push_back({record.split_id, record.payload});
      LogInfo("control.job", "New split " + record.split_id + " goes to subtask " + std::to_string(subtask) + ".",
              {{"job_id", job().id().str()}});
      Send(AttemptId{job().id(), job().facts().deployment, vertex.index, subtask}, {source.uid, {known.back()}, /*more_may_come=*/true});
    }
  }

  /// Until it is taken; the receiver knows splits by id, so that a repeated one does no harm.
  void Send(const AttemptId& attempt, const plan::SourceAssignment& splits) {
    const TaskEntry* task = job().facts().execution.Find(attempt);
    if (task == nullptr || task->ended()) return;
    const cluster::TaskManagerEntry* entry = job().services().registry->FindAlive(task->process);
    if (entry == nullptr) return;
    entry->gateway->AddSplits(job().services().leadership->token(), task->process.incarnation, attempt, splits,
                              mailbox().Bind([this, attempt, splits, process = task->process](Outcome<Nothing> outcome) {
                                if (outcome.done()) return;
                                mailbox().After(job().services().timing.split_send_retry,
                                                [this, attempt, splits] { Send(attempt, splits); });
                                job().services().registry->NoteFailedCall(process, outcome.reason());
                              }));
  }

  ResultWriter writer_;
  bool finishing_ = false;
  std::set<OperatorUid> asking_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeRunning(JobMaster* job) { return std::make_unique<Running>(job); }

}  // namespace headrace::control::job
