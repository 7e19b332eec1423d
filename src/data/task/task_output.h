#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fifo.h"
#include "base/status.h"
#include "columnar/stream_element.h"
#include "data/exchange/channel.h"
#include "data/exchange/partitioner.h"

namespace headrace::data::task {

/// The output of a task to one edge: splits batches over channels, keeps what a channel cannot take yet, and keeps every
/// control element behind the rows that came before it. Owned by its task, used on the task's thread only.
class EdgeOutput {
 public:
  /// `tag`: takes this side output of the chain instead of its main output.
  EdgeOutput(std::unique_ptr<exchange::Partitioner> partitioner, std::vector<std::shared_ptr<exchange::OutputChannel>> channels,
             std::string tag = {});
  const std::string& tag() const { return tag_; }
  Status Add(const columnar::DataBatch& batch, MonotonicTime now);
  /// Flushes what is held and queues the element on all channels.
  Status AddControl(const columnar::StreamElement& element);
  /// Writes what the channels take. True when anything moved.
  Result<bool> Pump();
  /// An error once a channel is broken, whether something waits for it or not.
  Status Check() const;
  /// After the end of input was added: true when every consumer is there to take it or to notice its loss.
  bool delivered() const;
  /// Rows that wait for credit: take no more from the chain.
  bool blocked() const { return queued_ > 0; }
  /// Pieces held back to grow.
  bool holding() const { return partitioner_->has_pending(); }
  MonotonicTime held_since() const { return held_since_; }
  Status FlushHeld();

 private:
  Status Queue(std::vector<exchange::Partitioner::Piece>* pieces);
  Status Write(std::size_t channel, exchange::ChannelElement element);
  std::unique_ptr<exchange::Partitioner> partitioner_;
  std::string tag_;
  std::vector<std::shared_ptr<exchange::OutputChannel>> channels_;
  std::vector<Fifo<exchange::ChannelElement>> queues_;  // by channel
  std::vector<exchange::Partitioner::Piece> pieces_;
  std::size_t queued_ = 0;
  MonotonicTime held_since_ = MonotonicTime::max();
};

}  // namespace headrace::data::task
