#include "data/python/worker_link.h"

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "columnar/value_encoding.h"
#include "data/python/batch_block.h"
#include "data/python/worker_error.h"

namespace headrace::data::python {

namespace {

/// Trips that one stage may have outstanding: one runs, one waits, one is on its way back.
constexpr int kTripsPerStage = 3;
constexpr std::uint64_t kMaxErrorBytes = 1u << 20;
/// Bodies start here, so that what follows the stage's number is 64-byte aligned, as Arrow wants its buffers.
constexpr std::uint64_t kBodyAt = 56;

Status Breach(std::string what) { return Status::Invalid("the Python worker broke its protocol: " + std::move(what)); }

std::string_view KindOf(plan::PythonFunction::Verb verb) {
  using Verb = plan::PythonFunction::Verb;
  switch (verb) {
    case Verb::kMap:
      return "map";
    case Verb::kFilter:
      return "filter";
    case Verb::kFlatMap:
      return "flat_map";
    case Verb::kKeyBy:
      return "key_by";
    case Verb::kReduce:
      return "reduce";
  }
  return "map";
}

std::string EncodeDescription(std::uint64_t stage, const StageSpec& spec, const std::vector<std::string>& sys_path) {
  std::string out;
  columnar::ValueWriter writer(&out);
  writer.DictHeader(spec.kind.empty() ? 3 : 5);
  writer.String("stage");
  writer.Int(static_cast<std::int64_t>(stage));
  writer.String("operators");
  writer.ListHeader(spec.functions.size());
  for (const auto& function : spec.functions) {
    writer.DictHeader(4);
    writer.String("kind");
    writer.String(KindOf(function.verb));
    writer.String("uid");
    writer.String(function.uid.str());
    writer.String("name");
    writer.String(function.name);
    writer.String("function");
    writer.Bytes(function.pickled);
  }
  if (!spec.kind.empty()) {
    writer.String("kind");
    writer.String(spec.kind);
    writer.String("setup");
    out += spec.setup;
  }
  writer.String("sys_path");
  writer.ListHeader(sys_path.size());
  for (const auto& path : sys_path) writer.String(path);
  return out;
}

}  // namespace

void StageState::Wake() {
  std::lock_guard lock(mutex);
  if (!closed && waker != nullptr) waker->Wake();
}

void StageState::SetFailed(const Status& why) {
  std::lock_guard lock(mutex);
  if (status.ok()) status = why;
  if (!closed && waker != nullptr) waker->Wake();
}

Result<std::shared_ptr<WorkerLink>> WorkerLink::Make(Descriptor socket, std::uint32_t arenas, Options options) {
  auto link = std::make_shared<WorkerLink>(std::move(socket), std::move(options));
  const std::uint32_t count = std::clamp(arenas, 1u, kMaxArenas);
  for (std::uint32_t i = 0; i < count; ++i) {
    HR_ASSIGN_OR_RAISE(Arena in, Arena::Create(fmt::format("headrace-in-{}", i)));
    HR_ASSIGN_OR_RAISE(Arena out, Arena::Create(fmt::format("headrace-out-{}", i)));
    link->arenas_.push_back(std::make_unique<ArenaPair>(ArenaPair{std::move(in), std::move(out)}));
  }
  link->started_ = link->options_.clock->Now();
  HR_RETURN_NOT_OK(link->SendHello());
  return link;
}

Status WorkerLink::SendHello() {
  Datagram hello{static_cast<std::uint32_t>(MessageType::kHello), 0, arenas_.size(), kWorkerProtocolVersion, 0, 0};
  std::vector<int> fds;
  for (const auto& arena : arenas_) {
    fds.push_back(arena->in.fd());
    fds.push_back(arena->out.fd());
  }
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  iovec data{&hello, sizeof(hello)};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  if (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) != sizeof(hello)) {
    return Error(ErrorCode::kPythonStart, fmt::format("cannot greet a Python worker: {}", std::strerror(errno)));
  }
  return Status::OK();
}

Status WorkerLink::SendLocked(const Datagram& datagram) {
  if (::send(socket_.get(), &datagram, sizeof(datagram), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(datagram)) return Status::OK();
  // A closed socket is the supervisor's to explain: it will see the end of the process and answer what is outstanding.
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return Status::OK();
  return Error(ErrorCode::kPythonHung, fmt::format("the Python worker does not read its requests: {}", std::strerror(errno)));
}

void WorkerLink::AddStage(const std::shared_ptr<StageState>& stage, const StageSpec& spec) {
  Status failure;
  {
    std::lock_guard lock(mutex_);
    failure = failure_;
    stages_.push_back(stage);
    loads_.push_back({stage, EncodeDescription(stage->id, spec, options_.sys_path)});
    if (failure.ok()) SendNextLoadLocked();
  }
  if (!failure.ok()) stage->SetFailed(failure);
}

void WorkerLink::SendNextLoadLocked() {
  if (loads_.empty() || arenas_[0]->busy || !failure_.ok()) return;
  PendingLoad load = std::move(loads_.front());
  loads_.pop_front();
  auto memory = arenas_[0]->in.Reserve(load.description.size());
  if (!memory.ok()) {
    load.stage->SetFailed(memory.status());
    return SendNextLoadLocked();
  }
  std::memcpy(*memory, load.description.data(), load.description.size());
  arenas_[0]->busy = true;
  const Datagram datagram{
      static_cast<std::uint32_t>(MessageType::kLoad), 0, load.stage->id, 0, load.description.size(), arenas_[0]->in.size()};
  Request request;
  request.id = load.stage->id;
  request.load = true;
  request.stage = std::move(load.stage);
  PushLocked(std::move(request));
  (void)SendLocked(datagram);  // unread: the deadline of the request ends the worker
}

void WorkerLink::PushLocked(Request request) {
  if (outstanding_.empty()) {
    front_since_ = options_.clock->Now();
    if (ready_ && options_.arm) options_.arm(front_since_ + options_.batch_timeout);
  }
  outstanding_.push_back(std::move(request));
}

void WorkerLink::DropStage(const std::shared_ptr<StageState>& stage) {
  std::lock_guard lock(mutex_);
  std::erase(stages_, stage);
  const auto pending = std::find_if(loads_.begin(), loads_.end(), [&](const PendingLoad& load) { return load.stage == stage; });
  if (pending != loads_.end()) {
    loads_.erase(pending);
    return;
  }
  if (!failure_.ok()) return;
  (void)SendLocked({static_cast<std::uint32_t>(MessageType::kDrop), 0, stage->id, 0, 0, 0});
}

bool WorkerLink::CanStart(StageState& stage) {
  if (stage.trips.load() >= kTripsPerStage) return false;  // its own answer wakes the task
  const auto free = [&] {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return true;  // let the caller in to get the reason
    const bool loading = std::any_of(loads_.begin(), loads_.end(), [&](const PendingLoad& load) { return load.stage.get() == &stage; });
    return !loading && std::any_of(arenas_.begin(), arenas_.end(), [](const auto& arena) { return !arena->busy; });
  };
  if (free()) return true;
  stage.waiting = true;
  return free();  // what was freed in between has not seen the flag
}

std::optional<std::uint32_t> WorkerLink::TakeArenaLocked() {
  // From the top: arena 0 is the one that loads need.
  for (std::size_t i = arenas_.size(); i-- > 0;) {
    if (arenas_[i]->busy) continue;
    arenas_[i]->busy = true;
    return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

namespace {

/// The block of a verb's or a reduce's trip.
class BlockBody final : public TripBody {
 public:
  explicit BlockBody(BlockWriter block) : block_(std::move(block)) {}
  std::uint64_t size() const override { return block_.size(); }
  void Write(std::uint8_t* out) const override { block_.Write(out); }

 private:
  BlockWriter block_;
};

}  // namespace

Status WorkerLink::Start(const std::shared_ptr<StageState>& stage, const columnar::DataBatch& batch, const ReduceInput* reduce,
                         StageCallback done) {
  HR_ASSIGN_OR_RAISE(BlockWriter block, BlockWriter::Make(batch, reduce));
  BlockExpectation expectation;
  expectation.key = stage->keyed;
  if (stage->reduce) {
    expectation.rows = batch.num_rows();
    expectation.states = reduce == nullptr ? -1 : static_cast<std::int64_t>(reduce->states.size());
  }
  auto take = [expectation, done = std::move(done), state = stage.get()](Result<TripAnswer> answer) -> Status {
    if (!answer.ok()) {
      done(answer.status());
      return Status::OK();
    }
    auto result = ReadBlock(answer->bytes, expectation);
    if (!result.ok()) {
      const Status breach = Breach(result.status().message());
      done(FunctionFailure(ErrorCode::kPythonCrashed, breach.message(), {{}, {}, 0, state->first_uid, state->names}));
      return breach;
    }
    result->user_nanoseconds = answer->user_nanoseconds;
    done(std::move(result));
    return Status::OK();
  };
  return Send(stage, BlockBody(std::move(block)), std::move(take));
}

Status WorkerLink::Start(const std::shared_ptr<StageState>& stage, const TripBody& body, TripCallback done) {
  return Send(stage, body, [done = std::move(done)](Result<TripAnswer> answer) {
    done(std::move(answer));
    return Status::OK();
  });
}

Status WorkerLink::Send(const std::shared_ptr<StageState>& stage, const TripBody& body, std::function<Status(Result<TripAnswer>)> done) {
  std::optional<std::uint32_t> arena;
  {
    std::lock_guard lock(mutex_);
    HR_RETURN_NOT_OK(failure_);
    arena = TakeArenaLocked();
  }
  if (!arena) return Error(ErrorCode::kInternal, "a trip was started while the stage was not accepting");
  Arena& in = arenas_[*arena]->in;
  const std::uint64_t length = sizeof(std::uint64_t) + body.size();
  auto memory = in.Reserve(kBodyAt + length);
  if (!memory.ok()) {
    FreeArena(*arena);
    return memory.status();
  }
  std::memcpy(*memory + kBodyAt, &stage->id, sizeof(stage->id));
  body.Write(*memory + kBodyAt + sizeof(std::uint64_t));

  std::lock_guard lock(mutex_);
  HR_RETURN_NOT_OK(failure_);
  Request request;
  request.id = next_request_++;
  request.arena = *arena;
  request.stage = stage;
  request.done = std::move(done);
  const Datagram datagram{static_cast<std::uint32_t>(MessageType::kRun), *arena, request.id, kBodyAt, length, in.size()};
  stage->trips.fetch_add(1);
  PushLocked(std::move(request));
  (void)SendLocked(datagram);
  return Status::OK();
}

Status WorkerLink::OnReadable(bool* closed) {
  *closed = false;
  for (;;) {
    Datagram datagram;
    const ssize_t got = ::recv(socket_.get(), &datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Status::OK();
    if (got <= 0) {
      *closed = true;
      return Status::OK();
    }
    if (got != sizeof(datagram)) return Breach(fmt::format("a datagram of {} bytes", got));
    HR_RETURN_NOT_OK(Handle(datagram));
  }
}

Status WorkerLink::Handle(const Datagram& datagram) {
  switch (static_cast<MessageType>(datagram.type)) {
    case MessageType::kReady: {
      std::lock_guard lock(mutex_);
      if (ready_) return Breach("it was ready twice");
      ready_ = true;
      front_since_ = options_.clock->Now();
      if (!outstanding_.empty() && options_.arm) options_.arm(front_since_ + options_.batch_timeout);
      return Status::OK();
    }
    case MessageType::kLoaded:
      return HandleLoaded(datagram);
    case MessageType::kDone:
      return HandleDone(datagram);
    case MessageType::kFailed:
      return HandleFailed(datagram);
    default:
      return Breach(fmt::format("a message of type {}", datagram.type));
  }
}

std::optional<WorkerLink::Request> WorkerLink::TakeAnswered(const Datagram& datagram, bool load) {
  std::lock_guard lock(mutex_);
  if (!ready_ || outstanding_.empty()) return std::nullopt;
  Request& front = outstanding_.front();
  if (front.load != load || front.id != datagram.request || front.arena != datagram.arena) return std::nullopt;
  Request request = std::move(front);
  outstanding_.pop_front();
  front_since_ = options_.clock->Now();
  return request;
}

void WorkerLink::FreeArena(std::uint32_t arena) {
  std::vector<std::shared_ptr<StageState>> waiting;
  {
    std::lock_guard lock(mutex_);
    arenas_[arena]->busy = false;
    SendNextLoadLocked();
    for (const auto& stage : stages_) {
      if (stage->waiting.exchange(false)) waiting.push_back(stage);
    }
  }
  for (const auto& stage : waiting) stage->Wake();
}

Status WorkerLink::Deliver(const Request& request, Result<TripAnswer> answer) {
  request.stage->trips.fetch_sub(1);
  std::lock_guard lock(request.stage->mutex);
  return request.stage->closed ? Status::OK() : request.done(std::move(answer));
}

Status WorkerLink::HandleLoaded(const Datagram& datagram) {
  auto request = TakeAnswered(datagram, true);
  if (!request) return Breach("an answer that nobody waits for");
  FreeArena(request->arena);
  return Status::OK();
}

Status WorkerLink::HandleDone(const Datagram& datagram) {
  auto request = TakeAnswered(datagram, false);
  if (!request) return Breach("an answer that nobody waits for");
  constexpr std::uint64_t kPrefix = sizeof(std::uint64_t);
  const auto read = [&]() -> Result<TripAnswer> {
    HR_ASSIGN_OR_RAISE(auto view, arenas_[request->arena]->out.View(datagram.offset, datagram.length, datagram.arena_size));
    if (view.size() < kPrefix) return Status::Invalid("an answer of ", view.size(), " bytes");
    // Copied before it is checked: the worker can still write to its arena.
    TripAnswer answer;
    HR_ASSIGN_OR_RAISE(answer.bytes, arrow::AllocateBuffer(static_cast<std::int64_t>(view.size() - kPrefix)));
    std::memcpy(&answer.user_nanoseconds, view.data(), kPrefix);
    std::memcpy(answer.bytes->mutable_data(), view.data() + kPrefix, view.size() - kPrefix);
    FreeArena(request->arena);
    return answer;
  };
  auto answer = read();
  if (answer.ok()) return Deliver(*request, std::move(answer));
  const Status breach = Breach(answer.status().message());
  HR_RETURN_NOT_OK(Deliver(*request, FunctionFailure(ErrorCode::kPythonCrashed, breach.message(),
                                                     {{}, {}, 0, request->stage->first_uid, request->stage->names})));
  return breach;
}

Status WorkerLink::HandleFailed(const Datagram& datagram) {
  bool load = false;
  {
    std::lock_guard lock(mutex_);
    load = !outstanding_.empty() && outstanding_.front().load;
  }
  auto request = TakeAnswered(datagram, load);
  if (!request) return Breach("a failure of something that nobody waits for");
  std::string body;
  auto view = arenas_[request->arena]->out.View(datagram.offset, std::min(datagram.length, kMaxErrorBytes), datagram.arena_size);
  if (view.ok()) body.assign(reinterpret_cast<const char*>(view->data()), view->size());
  FreeArena(request->arena);
  Status failure = DecodeWorkerError(body, request->stage->names);
  request->stage->SetFailed(failure);
  {
    // Trips that were on their way when the stage could not be loaded fail for its reason.
    std::lock_guard lock(request->stage->mutex);
    failure = request->stage->status;
  }
  return request->load ? Status::OK() : Deliver(*request, failure);
}

std::optional<MonotonicTime> WorkerLink::Deadline() const {
  std::lock_guard lock(mutex_);
  if (!failure_.ok()) return std::nullopt;
  if (!ready_) return started_ + options_.start_timeout;
  if (outstanding_.empty()) return std::nullopt;
  return front_since_ + options_.batch_timeout;
}

bool WorkerLink::ready() const {
  std::lock_guard lock(mutex_);
  return ready_;
}

std::pair<std::string, std::string> WorkerLink::CurrentWork() const {
  std::lock_guard lock(mutex_);
  if (outstanding_.empty()) return {};
  return {outstanding_.front().stage->names, outstanding_.front().stage->first_uid};
}

void WorkerLink::Fail(const Status& why) {
  std::deque<Request> unanswered;
  std::vector<std::shared_ptr<StageState>> stages;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = why;
    unanswered.swap(outstanding_);
    stages = stages_;
    loads_.clear();
  }
  for (const auto& stage : stages) stage->SetFailed(why);
  for (const Request& request : unanswered) {
    if (!request.load) (void)Deliver(request, why);  // an error takes no breach
  }
}

void WorkerLink::SendStop() {
  std::lock_guard lock(mutex_);
  (void)SendLocked({static_cast<std::uint32_t>(MessageType::kStop), 0, 0, 0, 0, 0});
}

}  // namespace headrace::data::python
