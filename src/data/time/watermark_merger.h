#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace headrace::data::time {

/// "No watermark yet".
inline constexpr std::int64_t kNoWatermark = std::numeric_limits<std::int64_t>::min();

/// Merges the event time of channels (inputs of a task, splits of a source): the watermark is the least of all channels that
/// are neither idle nor ended. It never goes back: a channel that returns with an older watermark holds it where it is until
/// the channel has passed it. When the last active channel becomes idle, the watermark first rises to the newest of all, so
/// that the order in which channels become idle does not matter. Channels that ended hold nothing back; with all of them
/// idle or ended, or none there, the whole is idle.
/// Owned by one task's part, used on the task's thread only. Advance() of a channel that does not hold the watermark back
/// costs O(1), everything else O(channels).
class WatermarkMerger {
 public:
  /// What has changed since the last Take(). Turning active stands before the watermark, turning idle behind it.
  struct Change {
    std::optional<std::int64_t> watermark_ms;
    std::optional<bool> idle;
  };
  /// `idle_at_first`: what consumers believe before anything was said; channels start active.
  explicit WatermarkMerger(bool idle_at_first = false) : idle_(idle_at_first) {}
  std::size_t AddChannel();
  void Advance(std::size_t channel, std::int64_t watermark_ms);
  void SetIdle(std::size_t channel, bool idle);
  void End(std::size_t channel);
  Change Take();

  std::size_t size() const { return channels_.size(); }
  bool idle(std::size_t channel) const { return channels_[channel].idle; }
  bool ended(std::size_t channel) const { return channels_[channel].ended; }
  bool all_ended() const;
  std::int64_t watermark_ms(std::size_t channel) const { return channels_[channel].watermark_ms; }
  std::int64_t watermark_ms() const { return watermark_ms_; }
  bool idle() const { return idle_; }
  /// The channel that holds the watermark back; none when all are idle or ended.
  std::optional<std::size_t> slowest() const;

 private:
  struct Channel {
    std::int64_t watermark_ms = kNoWatermark;
    bool idle = false, ended = false;
  };
  std::vector<Channel> channels_;
  std::int64_t watermark_ms_ = kNoWatermark;
  bool idle_;
  bool changed_ = true;  // something that may move the merged watermark or idleness
};

}  // namespace headrace::data::time
