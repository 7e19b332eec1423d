#include "control/job/split_planner_impl.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/status.h"
#include "kafka/client_settings.h"
#include "kafka/topic_split.h"
#include "plan/connector_options.h"
#include "plan/source_splits.h"

namespace headrace::control::job {
namespace {

constexpr Duration kUnusedAfter = std::chrono::minutes(2);
using Splits = std::vector<plan::SourceSplit>;

const plan::ConnectorSpec& ConnectorOf(const plan::OperatorSpec& op) {
  const auto* source = std::get_if<plan::SourceSpec>(&op.kind);
  return source != nullptr ? source->connector : std::get<plan::SinkSpec>(op.kind).connector;
}

kafka::ReadRange RangeOf(const plan::ConnectorSpec& spec) {
  kafka::ReadRange range;
  const std::string start = plan::OptionString(spec, /*is_source=*/true, "start");
  range.start = start == "latest"      ? kafka::ReadRange::Start::kLatest
                : start == "committed" ? kafka::ReadRange::Start::kCommitted
                : start == "timestamp" ? kafka::ReadRange::Start::kTimestamp
                                       : kafka::ReadRange::Start::kEarliest;
  range.start_timestamp_ms = plan::OptionInt(spec, true, "start_timestamp_ms");
  range.group_id = plan::OptionString(spec, true, "group_id");
  range.stop_at_latest = plan::OptionString(spec, true, "stop_at") == "latest";
  return range;
}

Outcome<Splits> AsSplits(const Outcome<std::vector<kafka::TopicSplit>>& found) {
  if (found.unknown()) return Outcome<Splits>::Unknown(found.reason());
  if (!found.done()) return Outcome<Splits>::NotDone(found.reason());
  Splits splits;
  for (const kafka::TopicSplit& split : found.value()) splits.push_back({split.Id(), split.ToPayload()});
  return Outcome<Splits>::Done(std::move(splits));
}

}  // namespace

SplitPlannerImpl::SplitPlannerImpl(Executor* executor, std::string default_servers)
    : default_servers_(std::move(default_servers)), mailbox_(executor) {}

SplitPlannerImpl::~SplitPlannerImpl() {
  for (auto& [settings, client] : clients_) client.probe->RequestStop();  // all at once, then each is joined
}

Result<std::shared_ptr<kafka::AdminProbe>> SplitPlannerImpl::ProbeOf(const plan::ConnectorSpec& spec, bool is_source) {
  DropUnused();
  HR_ASSIGN_OR_RAISE(
      const kafka::ClientSettings settings,
      kafka::MakeClientSettings(plan::OptionString(spec, is_source, "bootstrap_servers"), plan::KafkaProperties(spec), default_servers_));
  Client& client = clients_[settings];
  client.last_used = mailbox_.executor()->clock().Now();
  if (client.probe == nullptr) {
    Result<std::unique_ptr<kafka::AdminProbe>> made = kafka::MakeAdminProbe(settings);
    if (!made.ok()) {
      clients_.erase(settings);
      return made.status();
    }
    client.probe = std::move(made).ValueUnsafe();
  }
  return client.probe;
}

void SplitPlannerImpl::DropUnused() {
  const MonotonicTime now = mailbox_.executor()->clock().Now();
  std::erase_if(clients_, [&](const auto& entry) { return now - entry.second.last_used > kUnusedAfter; });
}

void SplitPlannerImpl::PlanSplits(const plan::OperatorSpec& source, SplitsAnswer answer) {
  const plan::ConnectorSpec& spec = ConnectorOf(source);
  if (spec.kind != "kafka") {
    Result<Splits> splits = plan::PlanLocalSplits(spec, source.parallelism);
    auto outcome = splits.ok() ? Outcome<Splits>::Done(std::move(splits).ValueUnsafe()) : Outcome<Splits>::NotDone(splits.status());
    return mailbox_.executor()->Post([answer = std::move(answer), outcome = std::move(outcome)] { answer(outcome); });
  }
  const Result<std::shared_ptr<kafka::AdminProbe>> probe = ProbeOf(spec, /*is_source=*/true);
  if (!probe.ok()) {
    return mailbox_.executor()->Post([answer = std::move(answer), reason = probe.status()] { answer(Outcome<Splits>::NotDone(reason)); });
  }
  (*probe)->PlanSplits(
      plan::OptionString(spec, true, "topic"), RangeOf(spec),
      mailbox_.Bind([answer = std::move(answer)](Outcome<std::vector<kafka::TopicSplit>> found) { answer(AsSplits(found)); }));
}

void SplitPlannerImpl::FindNewSplits(const plan::OperatorSpec& source, const Splits& known, SplitsAnswer answer) {
  const plan::ConnectorSpec& spec = ConnectorOf(source);
  if (spec.kind != "kafka") {
    return mailbox_.executor()->Post([answer = std::move(answer)] { answer(Outcome<Splits>::Done({})); });
  }
  const Result<std::shared_ptr<kafka::AdminProbe>> probe = ProbeOf(spec, /*is_source=*/true);
  if (!probe.ok()) {
    return mailbox_.executor()->Post([answer = std::move(answer), reason = probe.status()] { answer(Outcome<Splits>::NotDone(reason)); });
  }
  std::set<std::string> known_ids;
  for (const plan::SourceSplit& split : known) known_ids.insert(split.id);
  const std::string topic = plan::OptionString(spec, true, "topic");
  (*probe)->ListPartitions(
      topic, mailbox_.Bind([known_ids = std::move(known_ids), topic, answer = std::move(answer)](Outcome<std::vector<std::int32_t>> found) {
        if (found.unknown()) return answer(Outcome<Splits>::Unknown(found.reason()));
        if (!found.done()) return answer(Outcome<Splits>::NotDone(found.reason()));
        Splits fresh;
        for (const std::int32_t partition : found.value()) {
          // Whatever was written to a partition before it was found belongs to the job: from the beginning.
          const kafka::TopicSplit split{topic, partition, kafka::kBeginning, kafka::kNoStop};
          if (known_ids.count(split.Id()) == 0) fresh.push_back({split.Id(), split.ToPayload()});
        }
        answer(Outcome<Splits>::Done(std::move(fresh)));
      }));
}

std::int64_t SplitPlannerImpl::DiscoveryIntervalMs(const plan::OperatorSpec& source) const {
  const plan::ConnectorSpec& spec = ConnectorOf(source);
  if (spec.kind != "kafka" || RangeOf(spec).stop_at_latest) return 0;  // a bounded source reads what was there
  return plan::OptionInt(spec, /*is_source=*/true, "discovery_interval_ms");
}

void SplitPlannerImpl::CheckSink(const plan::OperatorSpec& sink, std::function<void(Outcome<Nothing>)> answer) {
  const plan::ConnectorSpec& spec = ConnectorOf(sink);
  if (spec.kind != "kafka") {
    return mailbox_.executor()->Post([answer = std::move(answer)] { answer(Outcome<Nothing>::Done({})); });
  }
  const Result<std::shared_ptr<kafka::AdminProbe>> probe = ProbeOf(spec, /*is_source=*/false);
  if (!probe.ok()) {
    return mailbox_.executor()->Post([answer = std::move(answer), reason = probe.status()] { answer(Outcome<Nothing>::NotDone(reason)); });
  }
  (*probe)->ListPartitions(
      plan::OptionString(spec, false, "topic"), mailbox_.Bind([answer = std::move(answer)](Outcome<std::vector<std::int32_t>> found) {
        if (found.done()) return answer(Outcome<Nothing>::Done({}));
        answer(found.unknown() ? Outcome<Nothing>::Unknown(found.reason()) : Outcome<Nothing>::NotDone(found.reason()));
      }));
}

}  // namespace headrace::control::job
