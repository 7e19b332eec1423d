#include <arrow/buffer.h>

#include <utility>

#include "data/exchange/remote/incoming_peer.h"

namespace headrace::data::exchange {

IncomingChannel::IncomingChannel(std::shared_ptr<InputQueue> queue, std::shared_ptr<Connection> connection, std::uint32_t number)
    : queue_(std::move(queue)), number_(number), connection_(std::move(connection)) {}

Status IncomingChannel::TakeSequence(const Frame& frame) {
  if (frame.header.deployment != queue_->id().deployment) return Status::Invalid("a frame of deployment ", frame.header.deployment);
  if (frame.header.sequence != next_sequence_)
    return Status::Invalid("frame ", frame.header.sequence, " came where ", next_sequence_, " was due");
  ++next_sequence_;
  return Status::OK();
}

Status IncomingChannel::OnSchema(const Frame& frame) {
  HR_RETURN_NOT_OK(TakeSequence(frame));
  if (frame.body == nullptr) return Status::Invalid("an empty schema");
  return columnar::DecodeSchema(frame.body).Value(&schema_);
}

Status IncomingChannel::OnData(const Frame& frame) {
  HR_RETURN_NOT_OK(TakeSequence(frame));
  if (schema_ == nullptr) return Status::Invalid("a batch without a schema");
  if (received_bytes_ - granted_bytes_.load() >= queue_->credit_bytes() + kMaxDataBytes) return Status::Invalid("a batch without credit");
  received_bytes_ += frame.header.body_bytes;
  EncodedElement element{schema_, nullptr, nullptr};
  HR_RETURN_NOT_OK(SplitDataBody(frame, &element.metadata, &element.body));
  queue_->PushEncoded(std::move(element), frame.header.body_bytes);
  return Status::OK();
}

Status IncomingChannel::OnControl(const Frame& frame) {
  HR_RETURN_NOT_OK(TakeSequence(frame));
  HR_ASSIGN_OR_RAISE(auto element, DecodeControl(frame.text()));
  queue_->Push(ChannelElement(std::move(element)), 0);
  return Status::OK();
}

void IncomingChannel::ReturnCredit(std::int64_t bytes) {
  // A sender without credit has all of it queued or owed here, so that enough is owed once the queue is empty.
  const std::int64_t owed = owed_bytes_.fetch_add(bytes) + bytes;
  if (owed * 4 < queue_->credit_bytes()) return;
  const std::int64_t grant = owed_bytes_.exchange(0);
  if (grant == 0) return;
  granted_bytes_.fetch_add(grant);
  Send(FrameType::kCredit, static_cast<std::uint64_t>(grant), {});
}

void IncomingChannel::ConsumerGone(const Status& why) {
  const bool released = CodeOf(why) == ErrorCode::kStaleAttempt;
  Send(FrameType::kClose, static_cast<std::uint64_t>(released ? CloseReason::kReleased : CloseReason::kBroken), why.message());
  Disconnect();
}

void IncomingChannel::Disconnect() {
  std::shared_ptr<Connection> connection;
  std::lock_guard lock(mutex_);
  connection.swap(connection_);
}

void IncomingChannel::Send(FrameType type, std::uint64_t value, std::string text) {
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard lock(mutex_);
    connection = connection_;
  }
  if (connection == nullptr) return;
  FrameHeader header;
  header.type = type;
  header.channel = number_;
  header.deployment = queue_->id().deployment;
  header.sequence = value;
  connection->Send(MakeFrame(header, std::move(text)));
}

}  // namespace headrace::data::exchange
