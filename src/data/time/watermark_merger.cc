#include "data/time/watermark_merger.h"

#include <algorithm>

namespace headrace::data::time {

std::size_t WatermarkMerger::AddChannel() {
  channels_.emplace_back();
  changed_ = true;
  return channels_.size() - 1;
}

void WatermarkMerger::Advance(std::size_t channel, std::int64_t watermark_ms) {
  Channel& advanced = channels_[channel];
  if (watermark_ms <= advanced.watermark_ms) return;
  changed_ = changed_ || advanced.watermark_ms <= watermark_ms_;
  advanced.watermark_ms = watermark_ms;
}

void WatermarkMerger::SetIdle(std::size_t channel, bool idle) {
  changed_ = changed_ || channels_[channel].idle != idle;
  channels_[channel].idle = idle;
}

void WatermarkMerger::End(std::size_t channel) {
  changed_ = changed_ || !channels_[channel].ended;
  channels_[channel].ended = true;
}

bool WatermarkMerger::all_ended() const {
  return std::all_of(channels_.begin(), channels_.end(), [](const Channel& channel) { return channel.ended; });
}

std::optional<std::size_t> WatermarkMerger::slowest() const {
  std::optional<std::size_t> slowest;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].idle || channels_[i].ended) continue;
    if (!slowest || channels_[i].watermark_ms < channels_[*slowest].watermark_ms) slowest = i;
  }
  return slowest;
}

WatermarkMerger::Change WatermarkMerger::Take() {
  Change change;
  if (!changed_) return change;
  changed_ = false;
  const auto holding = slowest();
  std::int64_t reached = holding ? channels_[*holding].watermark_ms : kNoWatermark;
  if (!holding) {
    for (const Channel& channel : channels_) reached = std::max(reached, channel.watermark_ms);
  }
  if (reached > watermark_ms_) change.watermark_ms = watermark_ms_ = reached;
  if (idle_ != !holding) change.idle = idle_ = !holding;
  return change;
}

}  // namespace headrace::data::time
