#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/fifo.h"
#include "data/exchange/channel.h"
#include "data/exchange/channel_ends.h"

namespace headrace::data::exchange {

/// A batch as it came from the network. Decoded by the consumer, so that the I/O thread only moves bytes.
struct EncodedElement {
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<arrow::Buffer> metadata;
  std::shared_ptr<arrow::Buffer> body;
};

/// The consumer's end of a channel of either transport: elements in order, each with its price in credit.
/// Shared by the exchange, the producer's side (which pushes from any thread) and the consumer's task, which polls.
class InputQueue final : public InputChannel {
 public:
  InputQueue(ChannelId id, std::int64_t credit_bytes, Waker* waker);
  Result<std::optional<columnar::StreamElement>> Poll() override;
  Result<std::optional<ChannelElement>> PollPart() override;
  bool ready() const override { return ready_.load(std::memory_order_acquire); }
  bool ShowOn(BoardPlace place) override;
  std::int64_t queued_bytes() const override { return queued_bytes_.load(std::memory_order_relaxed); }

  const ChannelId& id() const { return id_; }
  std::int64_t credit_bytes() const { return credit_bytes_; }
  /// Binds the one producer of this channel. False when there is one, or the channel has failed.
  bool Attach(std::shared_ptr<ProducerEnd> producer);
  void Push(ChannelElement element, std::int64_t cost);
  void PushEncoded(EncodedElement element, std::int64_t cost);
  /// Where the consumer looks; without a board while it has given none.
  BoardPlace place() const;
  /// The consumer must look at the board.
  void Wake() { waker_.Wake(); }
  /// Breaks the channel unless its end has arrived, in which case nothing is missing. The first reason stays.
  void Fail(const Status& why);
  /// Breaks the channel in any case, drops what is queued, tells the producer and forgets the waker.
  void Detach(const Status& why);

 private:
  struct Entry {
    ChannelElement element;
    EncodedElement encoded;
    std::int64_t cost = 0;
  };
  void Push(Entry entry);
  /// Under mutex_.
  void SetReady(bool ready);

  const ChannelId id_;
  const std::int64_t credit_bytes_;
  WakerSlot waker_;
  std::atomic<bool> ready_{false};
  std::atomic<std::int64_t> queued_bytes_{0};
  mutable std::mutex mutex_;
  Fifo<Entry> entries_;                    // guarded by mutex_
  BoardPlace place_;                       // guarded by mutex_
  std::shared_ptr<ProducerEnd> producer_;  // guarded by mutex_
  Status failure_;                         // guarded by mutex_
  bool has_end_ = false;                   // guarded by mutex_
  bool attached_ = false;                  // guarded by mutex_
};

}  // namespace headrace::data::exchange
