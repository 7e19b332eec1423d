#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "data/exchange/channel_ends.h"
#include "data/exchange/remote/connection.h"

namespace headrace::data::exchange {

/// The producer's end of a channel to another process. Encodes on the producer's thread and hands frames to the connection.
/// Owned by the exchange, its link and the producer's task. Write() on the task's thread, the rest anywhere.
class RemoteOutput final : public OutputEnd {
 public:
  RemoteOutput(ChannelId id, Waker* waker) : id_(std::move(id)), waker_(waker) {}
  bool writable() const override { return open_.load(std::memory_order_acquire) && balance_.load(std::memory_order_acquire) > 0; }
  Status Write(columnar::StreamElement element) override;
  Status status() const override;

  const ChannelId& id() const { return id_; }
  bool open() const override { return open_.load(std::memory_order_acquire); }
  /// The consumer took the channel under this number of the connection. What was written before follows.
  void Accepted(std::shared_ptr<Connection> sender, std::uint32_t number, std::int64_t credit_bytes);
  void AddCredit(std::int64_t bytes);
  void Fail(const Status& why) override;
  void Detach(const Status& why) override;

 private:
  Status TooLarge(std::int64_t bytes) const;
  Status CheckSize(const columnar::DataBatch& batch) const;
  Status WriteBatch(const columnar::DataBatch& batch, Connection* connection);
  /// Fails the channel and tells the consumer.
  void Abandon(const Status& why, Connection* connection);
  Status SendSchema(const std::shared_ptr<arrow::Schema>& schema, Connection* connection);
  FrameHeader NextHeader(FrameType type);

  const ChannelId id_;
  WakerSlot waker_;
  std::atomic<bool> open_{false};
  std::atomic<std::int64_t> balance_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<Connection> connection_;     // guarded by mutex_
  std::deque<columnar::StreamElement> early_;  // guarded by mutex_; written before the consumer accepted
  Status failure_;                             // guarded by mutex_
  std::uint32_t number_ = 0;                   // set before open_
  std::uint64_t next_sequence_ = 0;            // producer's thread, and the loop's before open_
  std::shared_ptr<arrow::Schema> schema_;      // likewise
};

}  // namespace headrace::data::exchange
