#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/logging.h"
#include "data/exchange/channel_registry.h"
#include "data/exchange/local/local_output.h"
#include "data/exchange/remote/address.h"
#include "data/exchange/remote/incoming_peer.h"
#include "data/exchange/remote/peer_link.h"

namespace headrace::data::exchange {
namespace {

constexpr std::size_t kMaxIncomingPeers = 4096;
constexpr Duration kGreetingTimeout = std::chrono::seconds(10);

Status Released(const JobId& job, DeploymentNumber deployment) {
  return Error(ErrorCode::kStaleAttempt, "deployment " + std::to_string(deployment) + " of job " + job.str() + " was released");
}

/// Both transports of one TaskManager. The registry and the outputs are shared between threads; links and incoming
/// connections belong to the loop's thread.
class TaskManagerExchange final : public Exchange {
 public:
  TaskManagerExchange(ExchangeOptions options, std::unique_ptr<IoLoop> loop, int listen_fd, std::uint16_t port)
      : options_(std::move(options)), loop_(std::move(loop)), resolver_("exchange-dns"), listen_fd_(listen_fd), port_(port) {}
  ~TaskManagerExchange() override;
  void Start();

  Result<std::shared_ptr<InputChannel>> RegisterInput(const ChannelId& id, std::int64_t credit_bytes, Waker* waker) override;
  Result<std::shared_ptr<OutputChannel>> OpenOutput(const ChannelId& id, const Endpoint& peer, std::int64_t open_timeout_ms,
                                                    Waker* waker) override;
  void Release(const JobId& job, DeploymentNumber deployment) override;
  std::uint16_t port() const override { return port_; }
  void RequestStop() override;
  void Join() override;

 private:
  /// Accepts what waits on the listening socket.
  class Listener final : public Watcher {
   public:
    explicit Listener(TaskManagerExchange* exchange) : exchange_(exchange) {}
    void OnEvents(std::uint32_t) override { exchange_->AcceptAll(); }

   private:
    TaskManagerExchange* const exchange_;
  };

  std::shared_ptr<LocalOutput> OpenLocal(const ChannelId& id, std::int64_t open_timeout_ms, Waker* waker);
  std::shared_ptr<RemoteOutput> OpenRemote(const ChannelId& id, const Endpoint& peer, std::int64_t open_timeout_ms, Waker* waker);
  void AcceptAll();
  void AddPeer(int fd);
  void ForgetLink(const std::string& key);
  void DropRemote(const std::shared_ptr<RemoteOutput>& output);
  void StopOnLoop();

  const ExchangeOptions options_;
  const std::unique_ptr<IoLoop> loop_;
  ThreadExecutor resolver_;
  int listen_fd_;
  const std::uint16_t port_;
  ChannelRegistry registry_;

  std::mutex mutex_;
  bool stopped_ = false;                                             // guarded by mutex_
  std::map<ChannelId, std::shared_ptr<OutputEnd>> outputs_;          // guarded by mutex_
  std::map<ChannelId, std::shared_ptr<LocalOutput>> waiting_local_;  // guarded by mutex_; consumers not registered yet

  std::map<std::string, std::shared_ptr<PeerLink>> links_;            // loop thread
  std::vector<std::weak_ptr<PeerLink>> draining_;                     // loop thread; without channels, their last frames still to be sent
  bool over_ = false;                                                 // loop thread; StopOnLoop() has run
  std::map<const RemoteOutput*, std::shared_ptr<PeerLink>> link_of_;  // loop thread
  std::set<std::shared_ptr<IncomingPeer>> peers_;                     // loop thread
  std::uint64_t listener_id_ = 0;                                     // loop thread
};

TaskManagerExchange::~TaskManagerExchange() {
  RequestStop();
  Join();
}

void TaskManagerExchange::Start() {
  loop_->Start();
  if (listen_fd_ < 0) return;
  loop_->Post([this] {
    const auto id = loop_->Watch(listen_fd_, std::make_shared<Listener>(this));
    if (id.ok())
      listener_id_ = *id;
    else
      LogError("exchange", "cannot accept connections: " + id.status().message());
    AcceptAll();
  });
}

Result<std::shared_ptr<InputChannel>> TaskManagerExchange::RegisterInput(const ChannelId& id, std::int64_t credit_bytes, Waker* waker) {
  if (credit_bytes <= 0) return Status::Invalid("channel ", id.ToString(), " needs credit, not ", credit_bytes, " bytes");
  auto queue = std::make_shared<InputQueue>(id, credit_bytes, waker);
  std::shared_ptr<LocalOutput> producer;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return Error(ErrorCode::kExchangeBroken, "the exchange stops");
    HR_RETURN_NOT_OK(registry_.Add(queue));
    if (auto at = waiting_local_.find(id); at != waiting_local_.end()) {
      producer = std::move(at->second);
      waiting_local_.erase(at);
    }
  }
  if (producer != nullptr) producer->Connect(queue);
  return queue;
}

Result<std::shared_ptr<OutputChannel>> TaskManagerExchange::OpenOutput(const ChannelId& id, const Endpoint& peer,
                                                                       std::int64_t open_timeout_ms, Waker* waker) {
  const bool local = peer.task_manager == options_.task_manager && peer.incarnation == options_.incarnation;
  std::lock_guard lock(mutex_);
  if (stopped_) return Error(ErrorCode::kExchangeBroken, "the exchange stops");
  if (registry_.IsOver(id.job, id.deployment)) return Released(id.job, id.deployment);
  if (outputs_.contains(id)) return Status::Invalid("channel ", id.ToString(), " is opened twice");
  if (!local && peer.port == 0) return Error(ErrorCode::kExchangeBroken, "TaskManager " + peer.task_manager + " has no exchange port");
  std::shared_ptr<OutputEnd> output;
  if (local)
    output = OpenLocal(id, open_timeout_ms, waker);
  else
    output = OpenRemote(id, peer, open_timeout_ms, waker);
  outputs_.emplace(id, output);
  return output;
}

std::shared_ptr<LocalOutput> TaskManagerExchange::OpenLocal(const ChannelId& id, std::int64_t open_timeout_ms, Waker* waker) {
  auto output = std::make_shared<LocalOutput>(id, waker);
  if (const auto found = registry_.Find(id); found.presence == ChannelRegistry::Presence::kRegistered) {
    output->Connect(found.queue);
    return output;
  }
  waiting_local_.emplace(id, output);
  loop_->Post([this, id, open_timeout_ms, weak = std::weak_ptr(output)] {
    loop_->PostAfter(std::chrono::milliseconds(open_timeout_ms), [this, id, open_timeout_ms, weak] {
      const auto late = weak.lock();
      if (late == nullptr || late->open()) return;
      {
        std::lock_guard lock(mutex_);
        const auto at = waiting_local_.find(id);
        if (at == waiting_local_.end() || at->second != late) return;
        waiting_local_.erase(at);
      }
      late->Fail(Error(ErrorCode::kExchangeBroken, "channel " + id.ToString() + " did not open within " + std::to_string(open_timeout_ms) +
                                                       " ms: its consumer is not registered"));
    });
  });
  return output;
}

std::shared_ptr<RemoteOutput> TaskManagerExchange::OpenRemote(const ChannelId& id, const Endpoint& peer, std::int64_t open_timeout_ms,
                                                              Waker* waker) {
  auto output = std::make_shared<RemoteOutput>(id, waker);
  loop_->Post([this, output, peer, open_timeout_ms] {
    if (over_) return output->Fail(Error(ErrorCode::kExchangeBroken, "the exchange stops"));
    const std::string key = peer.task_manager + '\n' + peer.incarnation + '\n' + peer.host + '\n' + std::to_string(peer.port);
    auto& link = links_[key];
    if (link == nullptr)
      link = std::make_shared<PeerLink>(loop_.get(), &resolver_, PeerLink::Self{options_.task_manager, options_.incarnation}, peer,
                                        [this, key] { ForgetLink(key); });
    link_of_.emplace(output.get(), link);
    link->Open(output, open_timeout_ms);
  });
  return output;
}

/// It sends what it has left by itself, and must still be closed when the exchange stops before that: it and its connection hold each
/// other.
void TaskManagerExchange::ForgetLink(const std::string& key) {
  std::erase_if(draining_, [](const auto& link) { return link.expired(); });
  const auto at = links_.find(key);
  if (at == links_.end()) return;
  draining_.push_back(at->second);
  links_.erase(at);
}

void TaskManagerExchange::DropRemote(const std::shared_ptr<RemoteOutput>& output) {
  const auto at = link_of_.find(output.get());
  if (at == link_of_.end()) return;
  const auto link = std::move(at->second);
  link_of_.erase(at);
  link->Drop(output.get());
}

void TaskManagerExchange::Release(const JobId& job, DeploymentNumber deployment) {
  std::vector<std::shared_ptr<OutputEnd>> outputs;
  std::vector<std::shared_ptr<InputQueue>> queues;
  {
    std::lock_guard lock(mutex_);
    queues = registry_.Release(job, deployment);
    auto at = outputs_.lower_bound(ChannelId{job, deployment, 0, 0, 0});
    while (at != outputs_.end() && at->first.job == job && at->first.deployment == deployment) {
      waiting_local_.erase(at->first);
      outputs.push_back(std::move(at->second));
      at = outputs_.erase(at);
    }
  }
  const Status why = Released(job, deployment);
  // Consumers first: what their producers see then is only their own release.
  for (const auto& queue : queues) queue->Detach(why);
  for (const auto& output : outputs) {
    output->Detach(why);
    if (auto remote = std::dynamic_pointer_cast<RemoteOutput>(output)) loop_->Post([this, remote] { DropRemote(remote); });
  }
}

void TaskManagerExchange::AcceptAll() {
  while (listen_fd_ >= 0) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      AddPeer(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      LogWarn("exchange", std::string("cannot accept a connection: ") + std::strerror(errno));
      loop_->PostAfter(std::chrono::milliseconds(100), [this] { AcceptAll(); });
    }
    return;
  }
}

void TaskManagerExchange::AddPeer(int fd) {
  auto connection = std::make_shared<Connection>(loop_.get(), fd, /*connecting=*/false, "a peer");
  if (peers_.size() >= kMaxIncomingPeers) return;
  auto peer = std::make_shared<IncomingPeer>(&registry_, options_.task_manager, options_.incarnation,
                                             [this](IncomingPeer* closed) { peers_.erase(closed->shared_from_this()); });
  if (const Status started = peer->Start(std::move(connection)); !started.ok()) {
    peer->Close(started);
    return;
  }
  peers_.insert(peer);
  loop_->PostAfter(kGreetingTimeout, [weak = std::weak_ptr(peer)] {
    const auto late = weak.lock();
    if (late != nullptr && !late->greeted()) late->Close(Status::IOError("no greeting came"));
  });
}

void TaskManagerExchange::RequestStop() {
  std::map<ChannelId, std::shared_ptr<OutputEnd>> outputs;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    outputs.swap(outputs_);
    waiting_local_.clear();
  }
  const Status why = Error(ErrorCode::kExchangeBroken, "the exchange stops");
  for (const auto& queue : registry_.ReleaseAll()) queue->Detach(why);
  for (const auto& [id, output] : outputs) output->Detach(why);
  loop_->Post([this] { StopOnLoop(); });
}

void TaskManagerExchange::StopOnLoop() {
  const Status why = Status::Cancelled("the exchange stops");
  over_ = true;
  if (listener_id_ != 0) loop_->Unwatch(listen_fd_, listener_id_);
  if (listen_fd_ >= 0) close(std::exchange(listen_fd_, -1));
  const auto links = std::exchange(links_, {});
  for (const auto& [key, link] : links) link->Stop(why);
  for (const auto& weak : std::exchange(draining_, {}))
    if (const auto link = weak.lock()) link->Stop(why);
  const auto peers = std::exchange(peers_, {});
  for (const auto& peer : peers) peer->Close(why);
  link_of_.clear();
  loop_->RequestStop();
}

void TaskManagerExchange::Join() {
  loop_->Join();
  resolver_.RequestStop();
  resolver_.Join();
}

}  // namespace

Result<std::unique_ptr<Exchange>> MakeExchange(const ExchangeOptions& options) {
  int listen_fd = -1;
  std::uint16_t port = 0;
  HR_ASSIGN_OR_RAISE(auto loop, IoLoop::Make());
  if (options.listen) {
    HR_ASSIGN_OR_RAISE(listen_fd, ListenOn(options.bind_host, options.port));
    const auto bound = PortOf(listen_fd);
    if (!bound.ok()) {
      close(listen_fd);
      return bound.status();
    }
    port = *bound;
  }
  auto exchange = std::make_unique<TaskManagerExchange>(options, std::move(loop), listen_fd, port);
  exchange->Start();
  return exchange;
}

}  // namespace headrace::data::exchange
