#include "data/exchange/remote/peer_link.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "data/exchange/remote/address.h"

namespace headrace::data::exchange {
namespace {

using std::chrono::milliseconds;
constexpr Duration kFirstBackoff = milliseconds(5);
constexpr Duration kMaxAskBackoff = milliseconds(200);
constexpr Duration kMaxConnectBackoff = milliseconds(1000);
constexpr Duration kGreetingTimeout = milliseconds(10'000);

Duration NextBackoff(Duration now, Duration max) { return now == Duration{} ? kFirstBackoff : std::min(now * 2, max); }

bool IsNumeric(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

PeerLink::PeerLink(IoLoop* loop, Executor* resolver, Self self, Endpoint peer, std::function<void()> on_empty)
    : loop_(loop), resolver_(resolver), self_(std::move(self)), peer_(std::move(peer)), on_empty_(std::move(on_empty)) {}

PeerLink::~PeerLink() = default;

std::string PeerLink::PeerName() const {
  return "TaskManager " + peer_.task_manager + " at " + peer_.host + ":" + std::to_string(peer_.port);
}

Status PeerLink::Broken(const std::string& what) const { return Error(ErrorCode::kExchangeBroken, PeerName() + ": " + what); }

void PeerLink::Open(std::shared_ptr<RemoteOutput> output, std::int64_t timeout_ms) {
  if (stopped_) {
    output->Fail(Broken("the exchange stops"));
    return;
  }
  const RemoteOutput* key = output.get();
  Channel& channel = channels_[key];
  channel.output = std::move(output);
  loop_->PostAfter(milliseconds(timeout_ms), [weak = weak_from_this(), weak_output = std::weak_ptr(channel.output), timeout_ms] {
    const auto self = weak.lock();
    const auto still = weak_output.lock();
    if (self != nullptr && still != nullptr) self->GiveUp(still.get(), timeout_ms);
  });
  if (greeted_)
    Ask(&channel);
  else if (connection_ == nullptr && !connecting_)
    Connect();
}

void PeerLink::GiveUp(const RemoteOutput* output, std::int64_t timeout_ms) {
  const auto at = channels_.find(output);
  if (at == channels_.end() || at->second.stage == Stage::kOpen) return;
  const std::string reason = at->second.last_refusal.ok() ? "it did not answer" : at->second.last_refusal.message();
  at->second.output->Fail(
      Broken("channel " + output->id().ToString() + " did not open within " + std::to_string(timeout_ms) + " ms: " + reason));
  Forget(output);
}

void PeerLink::Drop(const RemoteOutput* output) {
  const auto at = channels_.find(output);
  if (at == channels_.end()) return;
  if (at->second.stage != Stage::kWaiting) SendClose(at->second, "the producer was released");
  Forget(output);
}

/// The consumer's process keeps a closed channel's number until it hears this.
void PeerLink::SendClose(const Channel& channel, const char* text) {
  if (connection_ == nullptr) return;
  FrameHeader header;
  header.type = FrameType::kClose;
  header.channel = channel.number;
  header.deployment = channel.output->id().deployment;
  header.sequence = static_cast<std::uint64_t>(CloseReason::kReleased);
  connection_->Send(MakeFrame(header, text));
}

void PeerLink::Forget(const RemoteOutput* output) {
  const auto at = channels_.find(output);
  if (at == channels_.end()) return;
  by_number_.erase(at->second.number);
  channels_.erase(at);
  if (!channels_.empty() || stopped_) return;
  stopped_ = true;
  if (connection_ != nullptr) connection_->CloseWhenDrained();
  if (on_empty_) on_empty_();
}

void PeerLink::Stop(const Status& why) {
  stopped_ = true;
  FailAll(why);
  if (connection_ != nullptr) connection_->Close(why);
}

void PeerLink::FailAll(const Status& why) {
  for (auto& [key, channel] : channels_) channel.output->Fail(why);
  channels_.clear();
  by_number_.clear();
}

void PeerLink::Connect() {
  connecting_ = true;
  if (IsNumeric(peer_.host)) {
    auto addresses = ResolveHost(peer_.host, peer_.port);
    if (addresses.ok())
      ConnectTo(*addresses);
    else
      ConnectLater(addresses.status());
    return;
  }
  resolver_->Post([weak = weak_from_this(), loop = loop_, host = peer_.host, port = peer_.port] {
    loop->Post([weak, addresses = ResolveHost(host, port)] {
      const auto self = weak.lock();
      if (self == nullptr || self->stopped_) return;
      if (addresses.ok())
        self->ConnectTo(*addresses);
      else
        self->ConnectLater(addresses.status());
    });
  });
}

void PeerLink::ConnectTo(const std::vector<std::string>& addresses) {
  bool still_connecting = false;
  // Names with several addresses take turns over the attempts.
  auto fd = addresses.empty() ? Result<int>(Status::IOError("the name has no address"))
                              : exchange::ConnectTo(addresses[attempt_ % addresses.size()], &still_connecting);
  if (!fd.ok()) {
    ConnectLater(fd.status());
    return;
  }
  ++attempt_;
  connecting_ = false;
  greeted_ = false;
  next_number_ = 1;
  connection_ = std::make_shared<Connection>(loop_, *fd, still_connecting, PeerName());
  connection_->LimitFrames(4096);
  const Status started = connection_->Start(shared_from_this());
  if (!started.ok()) {
    connection_->Close(started);
    return;
  }
  if (!still_connecting) OnConnected();
  loop_->PostAfter(kGreetingTimeout, [weak = weak_from_this(), attempt = attempt_] {
    const auto self = weak.lock();
    if (self != nullptr && self->attempt_ == attempt && !self->greeted_ && self->connection_ != nullptr)
      self->connection_->Close(Status::IOError("no greeting came"));
  });
}

void PeerLink::ConnectLater(const Status& why) {
  connecting_ = true;
  for (auto& [key, channel] : channels_) channel.last_refusal = why;
  connect_backoff_ = NextBackoff(connect_backoff_, kMaxConnectBackoff);
  loop_->PostAfter(connect_backoff_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_ && self->connection_ == nullptr) self->Connect();
  });
}

void PeerLink::OnConnected() {
  FrameHeader header;
  header.type = FrameType::kHello;
  connection_->Send(
      MakeFrame(header, EncodeHello({kExchangeVersion, self_.task_manager, self_.incarnation, peer_.task_manager, peer_.incarnation})));
}

void PeerLink::Ask(Channel* channel) {
  channel->stage = Stage::kAsked;
  channel->number = next_number_++;
  by_number_[channel->number] = channel->output.get();
  FrameHeader header;
  header.type = FrameType::kOpen;
  header.channel = channel->number;
  header.deployment = channel->output->id().deployment;
  connection_->Send(MakeFrame(header, EncodeOpen(channel->output->id())));
}

void PeerLink::AskAgainLater(Channel* channel) {
  channel->stage = Stage::kWaiting;
  channel->backoff = NextBackoff(channel->backoff, kMaxAskBackoff);
  loop_->PostAfter(channel->backoff, [weak = weak_from_this(), key = static_cast<const RemoteOutput*>(channel->output.get())] {
    const auto self = weak.lock();
    if (self == nullptr || !self->greeted_) return;
    const auto at = self->channels_.find(key);
    if (at != self->channels_.end() && at->second.stage == Stage::kWaiting) self->Ask(&at->second);
  });
}

Status PeerLink::OnWelcome(const Frame& frame) {
  HR_ASSIGN_OR_RAISE(const Hello hello, DecodeHello(frame.text()));
  if (hello.version != kExchangeVersion || hello.from_task_manager != peer_.task_manager || hello.from_incarnation != peer_.incarnation)
    return Status::Invalid("another process answered: ", hello.from_task_manager);
  greeted_ = true;
  connect_backoff_ = {};
  for (auto& [key, channel] : channels_) Ask(&channel);
  return Status::OK();
}

Status PeerLink::OnRefuse(const Frame& frame) {
  const auto number = by_number_.find(frame.header.channel);
  if (number == by_number_.end()) return Status::OK();
  const RemoteOutput* key = number->second;
  by_number_.erase(number);
  Channel& channel = channels_.at(key);
  channel.last_refusal = Status::IOError(frame.text());
  switch (static_cast<RefuseReason>(frame.header.sequence)) {
    case RefuseReason::kUnknown:
      AskAgainLater(&channel);
      return Status::OK();
    case RefuseReason::kSuperseded:
      channel.output->Fail(
          Error(ErrorCode::kStaleAttempt, PeerName() + ": channel " + key->id().ToString() + " belongs to a deployment that is over"));
      break;
    default:
      channel.output->Fail(Broken("channel " + key->id().ToString() + " was refused: " + channel.last_refusal.message()));
  }
  Forget(key);
  return Status::OK();
}

Status PeerLink::OnFrame(Frame frame) {
  const auto type = frame.header.type;
  if (type == FrameType::kReject) {
    // This process will never be the one that was meant: asking again is of no use.
    FailAll(Broken("it refused the connection: " + std::string(frame.text())));
    return Status::IOError("refused");
  }
  if (!greeted_) return type == FrameType::kWelcome ? OnWelcome(frame) : Status::Invalid("it spoke before its greeting");
  const auto number = by_number_.find(frame.header.channel);
  const auto at = number == by_number_.end() ? channels_.end() : channels_.find(number->second);
  switch (type) {
    case FrameType::kAccept:
      if (at == channels_.end() || at->second.stage != Stage::kAsked) return Status::OK();
      at->second.stage = Stage::kOpen;
      at->second.output->Accepted(connection_, frame.header.channel,
                                  static_cast<std::int64_t>(std::min<std::uint64_t>(frame.header.sequence, INT64_MAX / 4)));
      return Status::OK();
    case FrameType::kRefuse:
      return OnRefuse(frame);
    case FrameType::kCredit:
      if (at != channels_.end())
        at->second.output->AddCredit(static_cast<std::int64_t>(std::min<std::uint64_t>(frame.header.sequence, INT64_MAX / 4)));
      return Status::OK();
    case FrameType::kClose:
      if (at == channels_.end()) return Status::OK();
      SendClose(at->second, "the producer heard it");
      at->second.output->Fail(static_cast<CloseReason>(frame.header.sequence) == CloseReason::kReleased
                                  ? Error(ErrorCode::kStaleAttempt,
                                          PeerName() + ": the consumer of channel " + number->second->id().ToString() + " was released")
                                  : Broken(std::string(frame.text())));
      Forget(number->second);
      return Status::OK();
    default:
      return Status::Invalid("it sent a frame that only a producer may send");
  }
}

void PeerLink::OnClosed(const Status& why) {
  const auto keep = shared_from_this();
  const bool was_greeted = std::exchange(greeted_, false);
  connection_.reset();
  by_number_.clear();
  const Status broken = Broken("the connection broke: " + why.message());
  for (auto at = channels_.begin(); at != channels_.end();) {
    if (at->second.stage == Stage::kOpen) {
      at->second.output->Fail(broken);
      at = channels_.erase(at);
    } else {
      at->second.stage = Stage::kWaiting;
      at->second.number = 0;
      at->second.last_refusal = why;
      ++at;
    }
  }
  if (stopped_) return;
  if (!channels_.empty()) {
    if (was_greeted) connect_backoff_ = {};
    ConnectLater(why);
    return;
  }
  stopped_ = true;
  if (on_empty_) on_empty_();
}

}  // namespace headrace::data::exchange
