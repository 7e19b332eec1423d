#include "data/python/worker_supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/logging.h"
#include "data/python/worker_error.h"

namespace headrace::data::python {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
/// From the closed socket of a worker to its end.
constexpr Duration kExitGrace = std::chrono::seconds(1);

std::int64_t Nanoseconds(MonotonicTime time) { return time.time_since_epoch().count(); }

/// A stage as its operator sees it.
class LinkedStage final : public Stage {
 public:
  LinkedStage(std::shared_ptr<WorkerLink> link, std::shared_ptr<StageState> state) : link_(std::move(link)), state_(std::move(state)) {}
  ~LinkedStage() override {
    {
      std::lock_guard lock(state_->mutex);  // waits for a callback that runs
      state_->closed = true;
      state_->waker = nullptr;
    }
    link_->DropStage(state_);
  }
  bool accepting() const override { return !status().ok() || link_->CanStart(*state_); }
  Status status() const override {
    std::lock_guard lock(state_->mutex);
    return state_->status;
  }
  Status Run(columnar::DataBatch batch, StageCallback done) override {
    HR_RETURN_NOT_OK(status());
    return link_->Start(state_, batch, nullptr, std::move(done));
  }
  Status RunReduce(columnar::DataBatch batch, ReduceInput input, StageCallback done) override {
    HR_RETURN_NOT_OK(status());
    return link_->Start(state_, batch, &input, std::move(done));
  }
  Status RunTrip(const TripBody& body, TripCallback done) override {
    HR_RETURN_NOT_OK(status());
    return link_->Start(state_, body, std::move(done));
  }

 private:
  std::shared_ptr<WorkerLink> link_;
  std::shared_ptr<StageState> state_;
};

}  // namespace

Result<std::unique_ptr<WorkerPool>> StartWorkerPool(const WorkerPoolOptions& options) {
  auto pool = std::make_unique<WorkerSupervisor>(options);
  HR_RETURN_NOT_OK(pool->Start());
  return pool;
}

WorkerSupervisor::~WorkerSupervisor() {
  RequestStop();
  Join();
}

Status WorkerSupervisor::Start() {
  epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  control_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !control_) return Error(ErrorCode::kPythonStart, fmt::format("cannot start Python workers: {}", std::strerror(errno)));
  HR_RETURN_NOT_OK(Watch(control_.get(), 0, Channel::kControl));
  std::promise<Status> started;
  auto answer = started.get_future();
  thread_ = std::thread([this, started = std::move(started)]() mutable { Run(std::move(started)); });
  return answer.get();
}

void WorkerSupervisor::Run(std::promise<Status> started) {
  const Status status = StartWorkers();
  for (const auto& worker : workers_) links_.push_back(worker->link);
  if (!status.ok()) stop_requested_ = true;
  started.set_value(status);
  while (true) {
    if (stop_requested_ && !stop_begun_) BeginStop();
    if (stop_begun_ && AllExited()) break;
    Wait();
    CheckDeadlines();
  }
}

Status WorkerSupervisor::StartWorkers() {
  const std::uint32_t count = std::max(1u, options_.workers);
  for (std::uint32_t i = 0; i < count; ++i) {
    HR_ASSIGN_OR_RAISE(auto worker, StartWorker(i));
    {
      std::lock_guard lock(pids_mutex_);
      pids_.push_back(worker->process.pid);
    }
    workers_.push_back(std::move(worker));
    Worker& added = *workers_.back();
    HR_RETURN_NOT_OK(Watch(added.link->socket(), i, Channel::kSocket));
    HR_RETURN_NOT_OK(Watch(added.process.pidfd.get(), i, Channel::kProcess));
    HR_RETURN_NOT_OK(Watch(added.process.out.get(), i, Channel::kOut));
    HR_RETURN_NOT_OK(Watch(added.process.err.get(), i, Channel::kErr));
  }
  return Status::OK();
}

Result<std::unique_ptr<WorkerSupervisor::Worker>> WorkerSupervisor::StartWorker(std::uint32_t index) {
  SpawnOptions spawn;
  spawn.executable = options_.python_executable;
  spawn.arguments = {"-s", "-m", "headrace.worker", "3"};
  spawn.environment = WorkerEnvironment();
  spawn.working_directory = options_.working_directory;
  spawn.max_address_space_bytes = options_.max_address_space_bytes;
  spawn.uid = options_.uid;
  spawn.gid = options_.gid;
  auto worker = std::make_unique<Worker>();
  HR_ASSIGN_OR_RAISE(worker->process, SpawnProcess(spawn));
  worker->out = std::make_unique<WorkerOutput>(options_.job_id, false, &clock_);
  worker->err = std::make_unique<WorkerOutput>(options_.job_id, true, &clock_);
  WorkerLink::Options link;
  link.sys_path = options_.sys_path;
  link.batch_timeout = std::chrono::milliseconds(options_.batch_timeout_ms);
  link.start_timeout = std::chrono::milliseconds(options_.start_timeout_ms);
  link.clock = &clock_;
  link.arm = [this](MonotonicTime deadline) { Arm(deadline); };
  auto made = WorkerLink::Make(std::move(worker->process.socket), options_.arenas_per_worker, std::move(link));
  if (!made.ok()) {
    ::kill(-worker->process.pid, SIGKILL);
    ::waitpid(worker->process.pid, nullptr, 0);
    return made.status();
  }
  worker->link = std::move(*made);
  return worker;
}

Status WorkerSupervisor::Watch(int fd, std::uint32_t worker, Channel channel) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = (static_cast<std::uint64_t>(worker) << 32) | static_cast<std::uint32_t>(channel);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return Error(ErrorCode::kPythonStart, fmt::format("cannot watch a Python worker: {}", std::strerror(errno)));
  return Status::OK();
}

Result<std::unique_ptr<Stage>> WorkerSupervisor::LoadStage(const StageSpec& spec, std::uint32_t slot, Waker* waker) {
  HR_CHECK(!spec.functions.empty(), "a stage without functions");
  auto state = std::make_shared<StageState>();
  state->id = next_stage_.fetch_add(1);
  for (const auto& function : spec.functions) state->names += (state->names.empty() ? "" : " -> ") + function.name;
  state->first_uid = spec.functions.front().uid.str();
  state->keyed = spec.kind.empty() && spec.functions.back().verb == plan::PythonFunction::Verb::kKeyBy;
  state->reduce = spec.functions.back().verb == plan::PythonFunction::Verb::kReduce;
  state->waker = waker;
  const auto& link = links_[slot % links_.size()];
  link->AddStage(state, spec);
  return std::make_unique<LinkedStage>(link, std::move(state));
}

std::vector<int> WorkerSupervisor::pids() const {
  std::lock_guard lock(pids_mutex_);
  return pids_;
}

void WorkerSupervisor::RequestStop() {
  stop_requested_ = true;
  const std::uint64_t one = 1;
  if (control_) (void)!::write(control_.get(), &one, sizeof(one));
}

void WorkerSupervisor::Join() {
  if (thread_.joinable()) thread_.join();
}

void WorkerSupervisor::Arm(MonotonicTime deadline) {
  if (Nanoseconds(deadline) >= armed_ns_.load()) return;
  const std::uint64_t one = 1;
  (void)!::write(control_.get(), &one, sizeof(one));
}

int WorkerSupervisor::WaitMs() {
  // While deadlines are collected every new one writes to the control descriptor, so none is missed.
  armed_ns_ = kNever;
  std::int64_t nearest = kNever;
  for (const auto& worker : workers_) {
    if (worker->exited) continue;
    if (worker->kill_at) nearest = std::min(nearest, Nanoseconds(*worker->kill_at));
    const auto deadline = worker->link->Deadline();
    if (deadline) nearest = std::min(nearest, Nanoseconds(*deadline));
  }
  armed_ns_ = nearest;
  if (nearest == kNever) return -1;
  const std::int64_t left_ms = (nearest - Nanoseconds(clock_.Now())) / 1'000'000 + 1;
  return static_cast<int>(std::clamp<std::int64_t>(left_ms, 0, 3'600'000));
}

void WorkerSupervisor::Wait() {
  epoll_event events[32];
  const int count = ::epoll_wait(epoll_.get(), events, 32, WaitMs());
  for (int i = 0; i < count; ++i)
    OnEvent(static_cast<std::uint32_t>(events[i].data.u64 >> 32), static_cast<Channel>(events[i].data.u64 & 0xffffffffu));
}

void WorkerSupervisor::OnEvent(std::uint32_t index, Channel channel) {
  if (channel == Channel::kControl) {
    std::uint64_t ignored = 0;
    (void)!::read(control_.get(), &ignored, sizeof(ignored));
    return;
  }
  Worker& worker = *workers_[index];
  if (worker.exited) return;
  switch (channel) {
    case Channel::kSocket:
      OnSocket(worker);
      break;
    case Channel::kProcess:
      OnExit(worker);
      break;
    case Channel::kOut:
      if (!worker.out->Drain(worker.process.out.get())) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, worker.process.out.get(), nullptr);
      break;
    case Channel::kErr:
      if (!worker.err->Drain(worker.process.err.get())) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, worker.process.err.get(), nullptr);
      break;
    case Channel::kControl:
      break;
  }
}

void WorkerSupervisor::OnSocket(Worker& worker) {
  bool closed = false;
  const Status status = worker.link->OnReadable(&closed);
  if (!status.ok()) {
    Kill(worker, FunctionFailure(ErrorCode::kPythonCrashed, status.message(), {}));
    closed = true;
  }
  if (closed) {
    // The process' end follows and says why; one that lives on without its socket is killed.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, worker.link->socket(), nullptr);
    if (!worker.kill_at) worker.kill_at = clock_.Now() + kExitGrace;
  }
}

void WorkerSupervisor::OnExit(Worker& worker) {
  bool closed = false;
  (void)worker.link->OnReadable(&closed);  // answers that were sent before the end count
  // What its functions started in its group goes too; the group's id is ours until the process is reaped.
  ::kill(-worker.process.pid, SIGKILL);
  siginfo_t info = {};
  if (::waitid(P_PID, static_cast<id_t>(worker.process.pid), &info, WEXITED) != 0) info.si_code = CLD_EXITED;
  worker.out->Drain(worker.process.out.get());
  worker.err->Drain(worker.process.err.get());
  worker.exited = true;
  {
    std::lock_guard lock(pids_mutex_);
    std::erase(pids_, worker.process.pid);
  }
  if (!worker.stopping) LogWarn("python", fmt::format("the Python worker {} ended", worker.process.pid), {{"job_id", options_.job_id}});
  worker.link->Fail(ExplainExit(worker, info.si_code, info.si_status));
  for (int fd : {worker.link->socket(), worker.process.pidfd.get(), worker.process.out.get(), worker.process.err.get()})
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  worker.process.pidfd.Reset();
  worker.process.out.Reset();
  worker.process.err.Reset();
}

Status WorkerSupervisor::ExplainExit(Worker& worker, int code, int status) const {
  // Nobody here sends SIGKILL to a worker whose end still has to be explained.
  const char* cause = code != CLD_EXITED && status == SIGKILL ? ", as the kernel does when memory runs out" : "";
  const std::string how = code == CLD_EXITED ? fmt::format("with exit code {}", status)
                                             : fmt::format("by signal {} ({}){}", status, ::strsignal(status), cause);
  const std::string tail = worker.err->Tail();
  const std::string said = tail.empty() ? std::string() : "; it said last:\n" + tail;
  if (!worker.link->ready())
    return Error(ErrorCode::kPythonStart,
                 fmt::format("the Python worker ({}) ended while it started, {}{}", options_.python_executable, how, said));
  const auto [names, uid] = worker.link->CurrentWork();
  FunctionError::Frame frame;
  frame.uid = uid;
  frame.name = names;
  return FunctionFailure(ErrorCode::kPythonCrashed,
                         fmt::format("the Python worker ended {}{}{}", how, names.empty() ? "" : " while it ran " + names, said),
                         std::move(frame));
}

void WorkerSupervisor::Kill(Worker& worker, const Status& why) {
  worker.stopping = true;
  worker.link->Fail(why);
  ::kill(-worker.process.pid, SIGKILL);
  ::kill(worker.process.pid, SIGKILL);  // should it have left its group
}

void WorkerSupervisor::CheckDeadlines() {
  const MonotonicTime now = clock_.Now();
  for (const auto& worker : workers_) {
    if (worker->exited) continue;
    if (worker->kill_at && now >= *worker->kill_at) {
      worker->kill_at.reset();
      Kill(*worker, Error(ErrorCode::kPythonCrashed, "the Python worker closed its socket and did not end"));
      continue;
    }
    const auto deadline = worker->link->Deadline();
    if (!deadline || now < *deadline) continue;
    if (!worker->link->ready()) {
      Kill(*worker, Error(ErrorCode::kPythonStart, fmt::format("the Python worker ({}) was not ready within {} ms",
                                                               options_.python_executable, options_.start_timeout_ms)));
      continue;
    }
    const auto [names, uid] = worker->link->CurrentWork();
    FunctionError::Frame frame;
    frame.uid = uid;
    frame.name = names;
    Kill(*worker, FunctionFailure(
                      ErrorCode::kPythonHung,
                      fmt::format("{} did not return within {} ms on one batch; its worker was killed", names, options_.batch_timeout_ms),
                      std::move(frame)));
  }
}

void WorkerSupervisor::BeginStop() {
  stop_begun_ = true;
  for (const auto& worker : workers_) {
    if (worker->exited) continue;
    worker->stopping = true;
    worker->link->SendStop();
    worker->link->Fail(Error(ErrorCode::kStaleAttempt, "the Python workers of this deployment were stopped"));
    worker->kill_at = clock_.Now() + std::chrono::milliseconds(options_.stop_grace_ms);
  }
}

bool WorkerSupervisor::AllExited() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->exited; });
}

}  // namespace headrace::data::python
