#include "data/taskmanager/job_manager_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace headrace::data::taskmanager {

namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(100), kLastRetry = std::chrono::seconds(5);
constexpr Duration kLogEvery = std::chrono::seconds(30);

}  // namespace

JobManagerLink::JobManagerLink(const TaskManagerOptions* options, const TaskManagerParts* parts, std::shared_ptr<CallbackGate> gate,
                               wire::EpochGuard* guard, Callbacks callbacks)
    : options_(options), parts_(parts), gate_(std::move(gate)), guard_(guard), callbacks_(std::move(callbacks)) {}

void JobManagerLink::Start() {
  HR_CHECK(!parts_->job_managers.empty(), "a TaskManager needs the address of a JobManager");
  last_contact_ = parts_->executor->clock().Now();
  Register();
}

void JobManagerLink::Stop() {
  stopped_ = true;
  if (timer_ != 0) parts_->executor->Cancel(timer_);
}

Duration JobManagerLink::Jittered(Duration delay) {
  return std::chrono::duration_cast<Duration>(delay * (0.5 + parts_->random->NextDouble()));
}

void JobManagerLink::Register() {
  if (stopped_) return;
  CheckContact();
  wire::RegisterRequest request;
  request.id = options_->id;
  request.incarnation = options_->incarnation;
  request.host = options_->advertise_host;
  request.rpc_port = options_->rpc_port;
  request.exchange_port = options_->exchange_port;
  request.metrics_port = options_->metrics_port;
  request.slots = options_->slots;
  request.version = options_->version;
  request.python_version = options_->python_version;
  request.running = callbacks_.running();
  const std::uint64_t call = ++call_;
  // An answer may never come: the timer goes on without it.
  timer_ = parts_->executor->PostAfter(std::chrono::milliseconds(options_->call_timeout_ms), [this, gate = gate_, call] {
    if (gate->open() && call == call_) RetryRegister(Error(ErrorCode::kNotReady, "no answer"));
  });
  gateway().Register(std::move(request), [this, gate = gate_, call](Outcome<wire::RegisterReply> outcome) {
    gate->Post([this, call, outcome = std::move(outcome)] { OnRegistered(call, outcome); });
  });
}

void JobManagerLink::OnRegistered(std::uint64_t call, const Outcome<wire::RegisterReply>& outcome) {
  if (stopped_ || call != call_) return;
  parts_->executor->Cancel(timer_);
  if (!outcome.done()) return RetryRegister(outcome.reason());
  const wire::RegisterReply& reply = outcome.value();
  const Status admitted = guard_->Admit(reply.leader);
  if (!admitted.ok()) return RetryRegister(admitted);
  registered_ = true;
  contact_lost_ = false;
  call_open_ = false;
  interval_ = std::chrono::milliseconds(std::max<std::int64_t>(1, reply.heartbeat_interval_ms));
  timeout_ = std::chrono::milliseconds(std::max<std::int64_t>(1, reply.heartbeat_timeout_ms));
  last_contact_ = last_answer_ = parts_->executor->clock().Now();
  LogInfo("taskmanager",
          fmt::format("registered with the JobManager of epoch {}; heartbeat every {} ms", reply.leader.epoch, reply.heartbeat_interval_ms),
          {{"tm_id", options_->id.str()}});
  Heartbeat();
}

void JobManagerLink::RetryRegister(const Status& why) {
  ++call_;
  address_ = (address_ + 1) % parts_->job_managers.size();
  ++failures_;
  if (failures_ == 1 || parts_->executor->clock().Now() - last_log_ >= kLogEvery) {
    last_log_ = parts_->executor->clock().Now();
    LogWarn("taskmanager", fmt::format("not registered yet, no heartbeat: {}", why.message()), {{"tm_id", options_->id.str()}});
  }
  RegisterLater();
}

void JobManagerLink::RegisterLater() {
  // All addresses are tried quickly once before the pauses grow; a heartbeat that is answered well ends them.
  const int rounds = failures_ / static_cast<int>(parts_->job_managers.size());
  Duration delay = kFirstRetry;
  for (int i = 0; i < rounds && delay < kLastRetry; ++i) delay *= 2;
  delay = std::min(delay, kLastRetry);
  timer_ = parts_->executor->PostAfter(Jittered(delay), [this, gate = gate_] {
    if (gate->open()) Register();
  });
}

void JobManagerLink::LoseRegistration(const std::string& why, bool next_address) {
  LogWarn("taskmanager", fmt::format("registering again: {}", why), {{"tm_id", options_->id.str()}});
  registered_ = false;
  call_open_ = false;
  ++call_;
  callbacks_.on_aligned({});
  if (timer_ != 0) parts_->executor->Cancel(timer_);
  if (next_address) address_ = (address_ + 1) % parts_->job_managers.size();
  ++failures_;
  RegisterLater();
}

void JobManagerLink::Heartbeat() {
  if (stopped_ || !registered_) return;
  const MonotonicTime now = parts_->executor->clock().Now();
  CheckContact();
  if (now - last_answer_ >= timeout_)
    return LoseRegistration(fmt::format("no heartbeat was answered for {} ms", (now - last_answer_).count() / 1'000'000), true);
  if (!call_open_ || now - call_sent_ >= std::chrono::milliseconds(options_->call_timeout_ms)) {
    wire::HeartbeatRequest request;
    request.id = options_->id;
    request.incarnation = options_->incarnation;
    request.sequence = ++sequence_;
    callbacks_.fill_heartbeat(&request);
    LogHeartbeat(request);
    call_open_ = true;
    call_sent_ = now;
    const std::uint64_t call = ++call_;
    gateway().Heartbeat(std::move(request), [this, gate = gate_, call](Outcome<wire::HeartbeatReply> outcome) {
      gate->Post([this, call, outcome = std::move(outcome)] { OnHeartbeat(call, outcome); });
    });
  }
  timer_ = parts_->executor->PostAfter(interval_, [this, gate = gate_] {
    if (gate->open()) Heartbeat();
  });
}

void JobManagerLink::OnHeartbeat(std::uint64_t call, const Outcome<wire::HeartbeatReply>& outcome) {
  if (stopped_ || call != call_ || !registered_) return;
  call_open_ = false;
  if (!outcome.done()) {
    const ErrorCode code = CodeOf(outcome.reason());
    // One that follows says so at once; anything else may be a passing fault of the network.
    if (code == ErrorCode::kDeposed || code == ErrorCode::kNotReady) LoseRegistration(outcome.reason().message(), true);
    return;
  }
  const wire::HeartbeatReply& reply = outcome.value();
  const Status admitted = guard_->Admit(reply.leader);
  if (!admitted.ok()) return LoseRegistration(admitted.message(), true);
  last_answer_ = parts_->executor->clock().Now();
  if (!reply.known) return LoseRegistration("the JobManager does not know this process", false);
  // Counted from when we spoke: the answer says that we were known then.
  last_contact_ = call_sent_;
  contact_lost_ = false;
  failures_ = 0;
  callbacks_.on_aligned(reply.aligned);
}

void JobManagerLink::CheckContact() {
  const Duration silent = parts_->executor->clock().Now() - last_contact_;
  if (contact_lost_ || silent < std::chrono::milliseconds(options_->contact_timeout_ms)) return;
  contact_lost_ = true;
  callbacks_.on_contact_lost();
}

void JobManagerLink::LogHeartbeat(const wire::HeartbeatRequest& request) {
  const MonotonicTime now = parts_->executor->clock().Now();
  if (sequence_ != 1 && now - last_log_ < kLogEvery) return;
  last_log_ = now;
  LogInfo("taskmanager",
          fmt::format("heartbeat {}: {} tasks, {} Python workers, {} MiB", request.sequence, request.tasks.size(), request.worker_processes,
                      request.resident_bytes >> 20),
          {{"tm_id", options_->id.str()}});
}

}  // namespace headrace::data::taskmanager
