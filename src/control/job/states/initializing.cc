#include <algorithm>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "control/cluster/leadership.h"
#include "control/job/split_planner.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

using metastore::SplitRecord;

/// Read what is stored; ask for what is missing, one source after the other; store it; what the store then holds is the
/// truth. Nobody reads a record before that.
class Initializing final : public JobStateHandler {
 public:
  using JobStateHandler::JobStateHandler;
  JobState state() const override { return JobState::kInitializing; }

  void Enter() override {
    for (const plan::ExecutionVertex& vertex : job().facts().description.plan->vertices) {
      for (const plan::OperatorSpec& op : vertex.operators) {
        if (op.is_source()) sources_.push_back(&op);
      }
    }
    delay_ = job().services().timing.planner_retry_first;
    ReadStored();
  }

 private:
  void ReadStored() {
    job().services().store->ListSplits(job().id(), mailbox().Bind([this](Outcome<std::vector<SplitRecord>> outcome) {
      if (!outcome.done()) return RetryStore(outcome.reason(), [this] { ReadStored(); });
      Take(outcome.value());
      PlanNext();
    }));
  }

  void Take(const std::vector<SplitRecord>& records) {
    auto& sources = job().facts().sources;
    for (const SplitRecord& record : records) sources[record.source].splits.push_back({record.split_id, record.payload});
    for (auto& [uid, source] : sources) {
      // lines-2 before lines-10
      std::sort(source.splits.begin(), source.splits.end(), [](const plan::SourceSplit& a, const plan::SourceSplit& b) {
        return a.id.size() != b.id.size() ? a.id.size() < b.id.size() : a.id < b.id;
      });
    }
  }

  void PlanNext() {
    while (next_ < sources_.size() && job().facts().sources.count(sources_[next_]->uid) != 0) ++next_;
    if (next_ == sources_.size()) return found_.empty() ? Finish() : Store();
    const OperatorUid uid = sources_[next_]->uid;
    auto& planned = job().facts().description.planned;
    if (const auto known = planned.find(uid); known != planned.end()) return Add(uid, known->second);
    Ask();
  }

  void Ask() {
    const plan::OperatorSpec& source = *sources_[next_];
    job().services().planner->PlanSplits(source, mailbox().Bind([this, &source](Outcome<std::vector<plan::SourceSplit>> outcome) {
      if (outcome.done()) {
        job().SetReason("");
        return Add(source.uid, outcome.value());
      }
      const Status reason = WithContext(outcome.reason(), source.Describe());
      if (outcome.not_done() && WhoActsOn(reason) != WhoActs::kTransient) {
        job().RecordException(job().EntryOf(reason));
        return job().ChangeTo(MakeFailing(&job()));
      }
      job().SetReason(reason.message());
      mailbox().After(delay_, [this] { Ask(); });
      delay_ = std::min(delay_ * 2, job().services().timing.planner_retry_longest);
    }));
  }

  void Add(const OperatorUid& uid, const std::vector<plan::SourceSplit>& splits) {
    for (const plan::SourceSplit& split : splits) found_.push_back({uid, split.id, split.payload});
    ++next_;
    PlanNext();
  }

  void Store() {
    JobServices& services = job().services();
    services.store->InsertSplits(services.leadership->grant(), job().id(), found_,
                                 mailbox().Bind([this](Outcome<std::vector<SplitRecord>> outcome) {
                                   if (outcome.not_done() && CodeOf(outcome.reason()) == ErrorCode::kConflict)
                                     return job().ChangeTo(MakeFailing(&job()));  // it has ended
                                   if (!outcome.done()) return RetryStore(outcome.reason(), [this] { Store(); });
                                   job().facts().sources.clear();
                                   Take(outcome.value());
                                   Finish();
                                 }));
  }

  void Finish() {
    for (const plan::OperatorSpec* source : sources_) {
      job().facts().sources[source->uid].more_may_come = job().services().planner->DiscoveryIntervalMs(*source) > 0;
    }
    job().facts().description.planned.clear();
    job().ChangeTo(MakeCreated(&job()));
  }

  template <typename Again>
  void RetryStore(const Status& reason, Again again) {
    job().SetReason("the metadata store does not answer: " + reason.message());
    mailbox().After(job().services().timing.store_retry, std::move(again));
    job().services().leadership->NoteRefusal(reason);
  }

  std::vector<const plan::OperatorSpec*> sources_;
  std::size_t next_ = 0;
  std::vector<SplitRecord> found_;
  Duration delay_{};
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeInitializing(JobMaster* job) { return std::make_unique<Initializing>(job); }

}  // namespace headrace::control::job
