#include "data/exchange/remote/incoming_peer.h"

#include <utility>

namespace headrace::data::exchange {
namespace {
constexpr std::int64_t kMaxGreetingBytes = 4096;
constexpr std::size_t kMaxChannelsPerPeer = 1 << 20;
}  // namespace

IncomingPeer::IncomingPeer(ChannelRegistry* registry, std::string task_manager, std::string incarnation,
                           std::function<void(IncomingPeer*)> on_closed)
    : registry_(registry), task_manager_(std::move(task_manager)), incarnation_(std::move(incarnation)), on_closed_(std::move(on_closed)) {}

IncomingPeer::~IncomingPeer() = default;

Status IncomingPeer::Start(std::shared_ptr<Connection> connection) {
  connection_ = std::move(connection);
  connection_->LimitFrames(kMaxGreetingBytes);
  return connection_->Start(shared_from_this());
}

void IncomingPeer::Close(const Status& why) {
  if (const auto connection = connection_) connection->Close(why);
}

Status IncomingPeer::OnFrame(Frame frame) {
  if (rejected_) return Status::OK();
  if (!greeted_) return OnHello(frame);
  switch (frame.header.type) {
    case FrameType::kOpen:
      return OnOpen(frame);
    case FrameType::kSchema:
    case FrameType::kData:
    case FrameType::kControl:
    case FrameType::kClose:
      return OnChannelFrame(frame);
    default:
      return Status::Invalid("it sent a frame that only a consumer may send");
  }
}

Status IncomingPeer::Reject(RejectReason reason, const std::string& text) {
  rejected_ = true;
  FrameHeader header;
  header.type = FrameType::kReject;
  header.sequence = static_cast<std::uint64_t>(reason);
  connection_->Send(MakeFrame(header, text));
  connection_->CloseWhenDrained();
  return Status::OK();
}

Status IncomingPeer::OnHello(const Frame& frame) {
  if (frame.header.type != FrameType::kHello) return Status::Invalid("it spoke before its greeting");
  const auto hello = DecodeHello(frame.text());
  if (!hello.ok()) return Reject(RejectReason::kMalformed, hello.status().message());
  if (hello->version != kExchangeVersion)
    return Reject(RejectReason::kVersion,
                  "this is version " + std::to_string(kExchangeVersion) + " of the exchange, not " + std::to_string(hello->version));
  if (hello->to_task_manager != task_manager_ || hello->to_incarnation != incarnation_)
    return Reject(RejectReason::kOtherProcess, "this is TaskManager " + task_manager_ + ", incarnation " + incarnation_ + ", not " +
                                                   hello->to_task_manager + ", incarnation " + hello->to_incarnation);
  greeted_ = true;
  peer_name_ = "TaskManager " + hello->from_task_manager;
  connection_->LimitFrames(kMaxDataBytes);
  FrameHeader header;
  header.type = FrameType::kWelcome;
  connection_->Send(
      MakeFrame(header, EncodeHello({kExchangeVersion, task_manager_, incarnation_, hello->from_task_manager, hello->from_incarnation})));
  return Status::OK();
}

void IncomingPeer::Refuse(const Frame& open, RefuseReason reason, const std::string& text) {
  FrameHeader header = open.header;
  header.type = FrameType::kRefuse;
  header.sequence = static_cast<std::uint64_t>(reason);
  connection_->Send(MakeFrame(header, text));
}

Status IncomingPeer::OnOpen(const Frame& frame) {
  HR_ASSIGN_OR_RAISE(const ChannelId id, DecodeOpen(frame.text()));
  if (frame.header.channel <= last_number_) return Status::Invalid("channel number ", frame.header.channel, " was used before");
  last_number_ = frame.header.channel;
  const auto found = registry_->Find(id);
  if (found.presence == ChannelRegistry::Presence::kUnknown || channels_.size() >= kMaxChannelsPerPeer) {
    Refuse(frame, RefuseReason::kUnknown, "its consumer is not registered");
    return Status::OK();
  }
  if (found.presence == ChannelRegistry::Presence::kSuperseded) {
    Refuse(frame, RefuseReason::kSuperseded, "its deployment is over");
    return Status::OK();
  }
  auto channel = std::make_shared<IncomingChannel>(found.queue, connection_, frame.header.channel);
  if (!found.queue->Attach(channel)) {
    channel->Disconnect();
    Refuse(frame, RefuseReason::kTaken, "it has another producer, or has failed");
    return Status::OK();
  }
  channels_.emplace(frame.header.channel, std::move(channel));
  FrameHeader header = frame.header;
  header.type = FrameType::kAccept;
  header.sequence = static_cast<std::uint64_t>(found.queue->credit_bytes());
  connection_->Send(MakeFrame(header));
  return Status::OK();
}

void IncomingPeer::OnCloseFrame(const Frame& frame) {
  const auto at = channels_.find(frame.header.channel);
  if (at == channels_.end()) return;
  const auto channel = std::move(at->second);
  channels_.erase(at);
  channel->Disconnect();
  channel->queue().Fail(Error(ErrorCode::kExchangeBroken,
                              peer_name_ + " closed channel " + channel->queue().id().ToString() + ": " + std::string(frame.text())));
}

Status IncomingPeer::OnChannelFrame(const Frame& frame) {
  if (frame.header.type == FrameType::kClose) {
    OnCloseFrame(frame);
    return Status::OK();
  }
  const auto at = channels_.find(frame.header.channel);
  if (at == channels_.end())
    return frame.header.channel <= last_number_ ? Status::OK() : Status::Invalid("a frame of a channel that was never opened");
  const auto channel = at->second;
  Status status;
  if (frame.header.type == FrameType::kSchema)
    status = channel->OnSchema(frame);
  else if (frame.header.type == FrameType::kData)
    status = channel->OnData(frame);
  else
    status = channel->OnControl(frame);
  if (status.ok()) return status;
  // Only this channel is wrong: it fails at both ends, the others go on.
  channels_.erase(at);
  const Status failure =
      Error(ErrorCode::kExchangeBroken, peer_name_ + ", channel " + channel->queue().id().ToString() + ": " + status.message());
  channel->ConsumerGone(failure);
  channel->queue().Fail(failure);
  return Status::OK();
}

void IncomingPeer::OnClosed(const Status& why) {
  const auto keep = shared_from_this();
  const Status failure = Error(ErrorCode::kExchangeBroken, peer_name_ + ": the connection broke: " + why.message());
  for (auto& [number, channel] : channels_) {
    channel->Disconnect();
    channel->queue().Fail(failure);
  }
  channels_.clear();
  connection_.reset();
  on_closed_(this);
}

}  // namespace headrace::data::exchange
