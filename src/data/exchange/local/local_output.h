#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "base/fifo.h"
#include "data/exchange/channel_ends.h"
#include "data/exchange/input_queue.h"

namespace headrace::data::exchange {

/// The producer's end of a channel inside one process: a batch is a pointer that moves into the consumer's queue. A watermark is a word on
/// the consumer's board; it is queued only in front of what follows it, for it keeps its place.
/// Owned by the exchange and the producer's task; the queue holds it to return credit. Write() on the task's thread, the rest anywhere.
class LocalOutput final : public OutputEnd, public ProducerEnd, public std::enable_shared_from_this<LocalOutput> {
 public:
  LocalOutput(ChannelId id, Waker* waker) : id_(std::move(id)), waker_(waker) {}
  bool writable() const override { return open_.load(std::memory_order_acquire) && balance_.load(std::memory_order_acquire) > 0; }
  Status Write(columnar::StreamElement element) override;
  Status WritePart(BatchPart part) override;
  bool shares_batches() const override { return true; }
  Status status() const override;

  const ChannelId& id() const { return id_; }
  bool open() const override { return open_.load(std::memory_order_acquire); }
  /// Binds to the consumer's queue, once. What was written before follows.
  void Connect(std::shared_ptr<InputQueue> queue);
  void Fail(const Status& why) override;
  void Detach(const Status& why) override;
  void ReturnCredit(std::int64_t bytes) override;
  void ConsumerGone(const Status& why) override { Fail(why); }

 private:
  Status Pass(ChannelElement element);
  /// Queues the watermark that stands on the board alone.
  Status PassShown();
  void WakeConsumer();

  const ChannelId id_;
  WakerSlot waker_;
  std::atomic<bool> open_{false};
  std::atomic<std::int64_t> balance_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<InputQueue> queue_;  // guarded by mutex_
  Fifo<ChannelElement> early_;         // guarded by mutex_; control elements written before the consumer came
  Status failure_;                     // guarded by mutex_
  // Of the producer's thread.
  BoardPlace place_;
  std::optional<columnar::Watermark> shown_;  // on the board, not queued
};

}  // namespace headrace::data::exchange
