#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "base/waker.h"
#include "columnar/stream_element.h"
#include "data/exchange/batch_part.h"
#include "data/exchange/channel_board.h"

namespace headrace::data::exchange {

/// Names one channel of one deployment: frames of another deployment are never taken for it.
struct ChannelId {
  JobId job;
  DeploymentNumber deployment = 0;
  std::uint32_t edge = 0;
  std::uint32_t producer_subtask = 0;
  std::uint32_t consumer_subtask = 0;
  auto operator<=>(const ChannelId&) const = default;
  std::string ToString() const;
};

/// Where a TaskManager's exchange listens, and which process it must be.
struct Endpoint {
  std::string task_manager;
  std::string incarnation;
  std::string host;
  std::uint16_t port = 0;
};

/// The consumer's end of a channel: a queue filled by a transport, emptied by the consumer's task.
/// Owned by the exchange until released; Poll() on the consumer's task thread only.
class InputChannel {
 public:
  virtual ~InputChannel() = default;
  /// The next element, or nothing yet. Taking a batch returns its bytes as credit. After a failure: the error, for ever.
  virtual Result<std::optional<columnar::StreamElement>> Poll() = 0;
  /// As Poll(), but a batch may come as a part of one that others share.
  virtual Result<std::optional<ChannelElement>> PollPart() {
    HR_ASSIGN_OR_RAISE(auto element, Poll());
    if (!element) return std::nullopt;
    return std::optional<ChannelElement>(std::in_place, std::move(*element));
  }
  /// True when Poll() would return an element or an error; cheap.
  virtual bool ready() const = 0;
  /// Shows from now on what is ready, and watermarks of a producer in this process, on the consumer's board. False: it cannot.
  virtual bool ShowOn(BoardPlace) { return false; }
  virtual std::int64_t queued_bytes() const = 0;
};

/// The producer's end. Write() on the producer's task thread only.
class OutputChannel {
 public:
  virtual ~OutputChannel() = default;
  /// True from when the consumer took the channel until it breaks. What was written before is on its way then, and a loss
  /// fails the consumer. The waker given at Open is woken when it changes.
  virtual bool open() const = 0;
  /// True when credit is left for a batch. The waker is woken when it becomes true again.
  virtual bool writable() const = 0;
  /// Takes the element. Control elements are always taken and keep their place. A batch may be written while writable();
  /// its size may overdraw the credit once. An error means the channel is broken for good (kExchangeBroken, kStaleAttempt).
  virtual Status Write(columnar::StreamElement element) = 0;
  /// Writes a part of a batch, under the rules of Write().
  virtual Status WritePart(BatchPart part) { return Write(part.ToBatch()); }
  /// Whether parts pass as they are, because the consumer is in this process: then small ones need not wait for others.
  virtual bool shares_batches() const { return false; }
  /// The failure of the channel, if any.
  virtual Status status() const = 0;
};

/// Moves elements between tasks of one process and of others. One per TaskManager; thread-safe.
/// Stop: RequestStop() fails every channel, Join() waits for the I/O thread.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Announces the consumer's end; elements may arrive from now on. `waker` is woken when the channel becomes ready().
  virtual Result<std::shared_ptr<InputChannel>> RegisterInput(const ChannelId& id, std::int64_t credit_bytes, Waker* waker) = 0;
  /// Opens the producer's end towards `peer`, or in process when `peer` is this process. Returns at once; writable() turns
  /// true when the consumer granted credit. A consumer that is not registered yet is asked again until `open_timeout_ms`.
  virtual Result<std::shared_ptr<OutputChannel>> OpenOutput(const ChannelId& id, const Endpoint& peer, std::int64_t open_timeout_ms,
                                                            Waker* waker) = 0;
  /// Fails and forgets all channels of a deployment; after it returns no waker of theirs is called. Idempotent.
  virtual void Release(const JobId& job, DeploymentNumber deployment) = 0;
  /// The port the exchange listens on.
  virtual std::uint16_t port() const = 0;
  virtual void RequestStop() = 0;
  virtual void Join() = 0;
};

struct ExchangeOptions {
  std::string task_manager;  ///< own identity, checked by peers
  std::string incarnation;
  std::string bind_host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 = free port
  bool listen = true;      ///< false: in-process only (embedded)
};
Result<std::unique_ptr<Exchange>> MakeExchange(const ExchangeOptions& options);

}  // namespace headrace::data::exchange
