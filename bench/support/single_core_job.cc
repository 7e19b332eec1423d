#include "bench/support/single_core_job.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "data/exchange/partitioner.h"
#include "wire/job_file.h"

namespace headrace::bench {

using data::task::EdgeOutput;
using data::task::Task;

namespace {

const JobId kJob("00000000000000000000000000000001");
constexpr std::int64_t kCreditBytes = 1 << 20;
const data::exchange::Endpoint kHere{"bench", "bench", "", 0};

data::exchange::PartitioningScheme SchemeOf(plan::Partitioning partitioning) {
  using Scheme = data::exchange::PartitioningScheme;
  switch (partitioning) {
    case plan::Partitioning::kHash:
      return Scheme::kHash;
    case plan::Partitioning::kRebalance:
      return Scheme::kRebalance;
    case plan::Partitioning::kBroadcast:
      return Scheme::kBroadcast;
    default:
      return Scheme::kForward;
  }
}

data::exchange::ChannelId IdOf(const plan::ChannelRef& channel) {
  return {kJob, 1, channel.edge, channel.producer_subtask, channel.consumer_subtask};
}

}  // namespace

Result<std::shared_ptr<const plan::ExecutionPlan>> PlanOf(const std::string& job_file, std::uint32_t parallelism) {
  std::ifstream in(job_file, std::ios::binary);
  if (!in) return Status::IOError("no job file ", job_file);
  const std::string pickle{std::istreambuf_iterator<char>(in), {}};
  HR_ASSIGN_OR_RAISE(wire::JobFile file, wire::ReadJobFile(pickle));
  HR_ASSIGN_OR_RAISE(plan::JobGraph graph, plan::Validate(std::move(file.graph), parallelism));
  return plan::Chain(graph);
}

Result<std::unique_ptr<SingleCoreJob>> SingleCoreJob::Make(std::shared_ptr<const plan::ExecutionPlan> plan,
                                                           data::task::ConnectorFactories connectors, const Clock* clock) {
  std::unique_ptr<SingleCoreJob> job(new SingleCoreJob());
  job->plan_ = std::move(plan);
  job->environment_.task_manager = "bench";
  job->environment_.metrics = &job->metrics_;
  if (clock != nullptr) job->clock_ = clock;
  job->environment_.clock = job->clock_;
  job->environment_.pre_aggregates = true;
  job->environment_.connectors = std::move(connectors);
  data::exchange::ExchangeOptions options;
  options.task_manager = options.incarnation = "bench";
  options.listen = false;
  HR_ASSIGN_OR_RAISE(job->exchange_, data::exchange::MakeExchange(options));
  job->loop_ = std::make_unique<data::task::ManualTaskLoop>(&job->still_, nullptr);
  HR_RETURN_NOT_OK(job->AddTasks());
  return job;
}

SingleCoreJob::~SingleCoreJob() {
  exchange_->Release(kJob, 1);
  for (auto& handle : handles_) handle->DestroyTask();
  exchange_->RequestStop();
  exchange_->Join();
}

Result<std::vector<EdgeOutput>> SingleCoreJob::OpenOutputs(const plan::ExecutionVertex& vertex, std::uint32_t subtask, Waker* waker) {
  std::vector<EdgeOutput> outputs;
  for (const std::uint32_t edge_id : vertex.output_edges) {
    const plan::ExecutionEdge& edge = plan_->edges[edge_id];
    std::vector<std::shared_ptr<data::exchange::OutputChannel>> channels;
    data::exchange::PartitionerOptions options;
    for (const plan::ChannelRef& channel : plan::ExpandEdge(*plan_, edge)) {
      if (channel.producer_subtask != subtask) continue;
      HR_ASSIGN_OR_RAISE(auto output, exchange_->OpenOutput(IdOf(channel), kHere, 1000, waker));
      options.sharing.push_back(output->shares_batches());
      channels.push_back(std::move(output));
    }
    options.scheme = SchemeOf(edge.partitioning);
    options.channels = static_cast<std::uint32_t>(channels.size());
    options.max_parallelism = plan_->settings.max_parallelism;
    options.hash_columns = edge.hash_columns;
    HR_ASSIGN_OR_RAISE(auto partitioner, data::exchange::MakePartitioner(options));
    outputs.emplace_back(std::move(partitioner), std::move(channels), edge.tag);
  }
  return outputs;
}

Status SingleCoreJob::AddTasks() {
  struct Entry {
    data::task::TaskSpec spec;
    Task::Channels channels;
  };
  std::vector<Entry> entries;
  for (const plan::ExecutionVertex& vertex : plan_->vertices) {
    for (std::uint32_t subtask = 0; subtask < vertex.parallelism; ++subtask) {
      handles_.push_back(std::make_shared<data::task::TaskHandle>());
      vitals_.push_back(std::make_shared<data::task::TaskVitals>());
      Entry entry;
      entry.spec.plan = plan_;
      entry.spec.attempt = {kJob, 1, vertex.index, subtask};
      // All inputs are announced before the first output asks for one.
      for (const std::uint32_t edge : vertex.input_edges) {
        for (const plan::ChannelRef& channel : plan::ExpandEdge(*plan_, plan_->edges[edge])) {
          if (channel.consumer_subtask != subtask) continue;
          HR_ASSIGN_OR_RAISE(auto input, exchange_->RegisterInput(IdOf(channel), kCreditBytes, handles_.back().get()));
          entry.channels.inputs.push_back({plan_->edges[edge].input_index, std::move(input)});
        }
      }
      entries.push_back(std::move(entry));
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& [spec, channels] = entries[i];
    HR_ASSIGN_OR_RAISE(auto parts, data::task::BuildParts(spec, environment_, vitals_[i].get(), handles_[i].get()));
    HR_ASSIGN_OR_RAISE(channels.outputs, OpenOutputs(spec.vertex(), spec.attempt.subtask, handles_[i].get()));
    auto task =
        std::make_unique<Task>(std::move(spec), std::move(parts), std::move(channels), vitals_[i], handles_[i].get(), clock_, nullptr);
    handles_[i]->SetTask(std::move(task), [this](const std::shared_ptr<data::task::TaskHandle>&) {
      if (live_.fetch_sub(1) == 1) live_.notify_all();
    });
  }
  return Status::OK();
}

Status SingleCoreJob::CheckOutcomes() const {
  for (const auto& handle : handles_) {
    auto& task = static_cast<Task&>(*handle->task());
    if (task.outcome() != data::task::TaskOutcome::kFinished) return Status::Invalid("a task ended early: ", task.failure().message);
  }
  return Status::OK();
}

Status SingleCoreJob::Run() {
  live_ = handles_.size();
  for (auto& handle : handles_) loop_->Start(handle);
  while (loop_->num_tasks() > 0) {
    if (!loop_->RunOne() && !loop_->AdvanceToTimer()) return Status::Invalid("the job is stuck");
  }
  return CheckOutcomes();
}

Status SingleCoreJob::RunOn(data::task::TaskLoop* loop) {
  live_ = handles_.size();
  for (auto& handle : handles_) loop->Start(handle);
  for (std::size_t live = live_; live > 0; live = live_) live_.wait(live);
  return CheckOutcomes();
}

std::int64_t SingleCoreJob::state_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& vitals : vitals_) bytes += vitals->state_bytes.load();
  return bytes;
}

}  // namespace headrace::bench
