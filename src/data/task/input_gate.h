#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "columnar/stream_element.h"
#include "data/exchange/channel.h"
#include "data/exchange/channel_board.h"
#include "data/task/part_merger.h"
#include "data/time/watermark_merger.h"

namespace headrace::data::task {

/// Reads the input channels of a task fairly, one element a turn. Small batches that are ready together come as one, of each channel in
/// its order, so that many producers do not make small work. Merges the control elements: watermarks and
/// idleness by time::WatermarkMerger, a barrier is given out when it has come on every live channel (a
/// channel that is ahead is not read meanwhile), the end when all have ended.
/// Owned by its task, used on the task's thread only.
class InputGate {
 public:
  struct Port {
    std::uint32_t input;  ///< logical input of the chain's head
    std::shared_ptr<exchange::InputChannel> channel;
  };
  struct Event {
    std::uint32_t input = 0;
    columnar::StreamElement element;
  };
  explicit InputGate(std::vector<Port> ports);
  /// The next element for the chain, or nothing yet. An error of a channel is final.
  Result<std::optional<Event>> Poll();
  std::size_t num_channels() const { return channels_.size(); }
  /// The next Poll() looks at this channel first: tests draw the order in which channels are read.
  void StartAt(std::size_t channel) { next_ = channel; }
  /// True when Poll() may give something; cheap.
  bool ready() const;
  /// Every batch comes as its channel gave it.
  void KeepApart() { merges_ = false; }

 private:
  struct Channel {
    std::uint32_t input;
    std::shared_ptr<exchange::InputChannel> channel;
    bool ended = false, blocked = false;
  };
  /// Reads channels until something is due, or none is ready.
  Status Read();
  bool CanRead(std::size_t index) const {
    const Channel& channel = channels_[index];
    return !channel.ended && !channel.blocked && channel.channel->ready();
  }
  /// The channel whose turn it is among those that can be read.
  std::optional<std::size_t> NextChannel();
  /// The board's watermark of a channel if it is news, and all rows before it have been taken.
  std::optional<std::int64_t> News(std::size_t index) const;
  /// Takes the watermarks that stand on the board, if the one that holds event time back has moved.
  Status ReadBoard();
  /// Asks the board for the channel that holds event time back, unless it is asked for.
  void AwaitSlowest();
  /// Puts rows into due_, or with others that wait in mergers_.
  Status TakeRows(std::uint32_t input, exchange::BatchPart part);
  /// Puts what waits in mergers_ in front of due_, or behind it.
  Status FlushMerged(bool in_front);
  /// Queues what the gate itself gives out for a control element.
  void Merge(std::size_t index, const columnar::StreamElement& element);
  void MergeWatermarks();
  std::optional<columnar::StreamElement> MergeEnd();
  std::optional<columnar::StreamElement> MergeBarrier(Channel& channel, const columnar::Barrier& barrier);
  std::optional<columnar::StreamElement> ReleaseBarrier();

  std::vector<Channel> channels_;
  std::shared_ptr<exchange::ChannelBoard> board_;
  std::size_t next_ = 0;
  time::WatermarkMerger merger_;
  bool end_given_ = false;
  std::optional<columnar::Barrier> aligning_;
  std::deque<Event> due_;  // given out before the next channel is read, oldest first
  bool merges_ = true;
  std::vector<PartMerger> mergers_;  // by input
};

}  // namespace headrace::data::task
