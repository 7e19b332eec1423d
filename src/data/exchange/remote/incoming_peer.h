#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "data/exchange/channel_ends.h"
#include "data/exchange/channel_registry.h"
#include "data/exchange/remote/connection.h"

namespace headrace::data::exchange {

/// The producer of one channel as its consumer's process sees it: checks what comes, and sends credit back.
/// OnFrame methods on the loop's thread, ProducerEnd's anywhere.
class IncomingChannel final : public ProducerEnd {
 public:
  IncomingChannel(std::shared_ptr<InputQueue> queue, std::shared_ptr<Connection> connection, std::uint32_t number);
  Status OnSchema(const Frame& frame);
  Status OnData(const Frame& frame);
  Status OnControl(const Frame& frame);
  InputQueue& queue() { return *queue_; }
  void ReturnCredit(std::int64_t bytes) override;
  void ConsumerGone(const Status& why) override;
  /// No frame is sent from now on; breaks the circle between queue, channel and connection.
  void Disconnect();

 private:
  Status TakeSequence(const Frame& frame);
  void Send(FrameType type, std::uint64_t value, std::string text);

  const std::shared_ptr<InputQueue> queue_;
  const std::uint32_t number_;
  std::uint64_t next_sequence_ = 0;        // loop thread
  std::shared_ptr<arrow::Schema> schema_;  // loop thread
  std::int64_t received_bytes_ = 0;        // loop thread
  std::atomic<std::int64_t> granted_bytes_{0};
  std::atomic<std::int64_t> owed_bytes_{0};  // taken by the consumer, not granted yet
  std::mutex mutex_;
  std::shared_ptr<Connection> connection_;  // guarded by mutex_
};

/// One accepted connection: the greeting, then channels that the other process opens. Loop thread only.
class IncomingPeer final : public ConnectionHandler, public std::enable_shared_from_this<IncomingPeer> {
 public:
  IncomingPeer(ChannelRegistry* registry, std::string task_manager, std::string incarnation, std::function<void(IncomingPeer*)> on_closed);
  ~IncomingPeer() override;
  Status Start(std::shared_ptr<Connection> connection);
  bool greeted() const { return greeted_; }
  void Close(const Status& why);

  Status OnFrame(Frame frame) override;
  void OnClosed(const Status& why) override;

 private:
  Status OnHello(const Frame& frame);
  Status OnOpen(const Frame& frame);
  Status OnChannelFrame(const Frame& frame);
  void OnCloseFrame(const Frame& frame);
  Status Reject(RejectReason reason, const std::string& text);
  void Refuse(const Frame& open, RefuseReason reason, const std::string& text);

  ChannelRegistry* const registry_;
  const std::string task_manager_, incarnation_;
  const std::function<void(IncomingPeer*)> on_closed_;
  std::shared_ptr<Connection> connection_;
  std::string peer_name_ = "an unknown process";
  bool greeted_ = false;
  bool rejected_ = false;
  std::uint32_t last_number_ = 0;  // numbers only grow, so that late frames of a closed channel are told from nonsense
  std::map<std::uint32_t, std::shared_ptr<IncomingChannel>> channels_;
};

}  // namespace headrace::data::exchange
