#include "data/task/input_gate.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace headrace::data::task {

namespace {

constexpr std::int64_t kNoWatermark = std::numeric_limits<std::int64_t>::min();

}  // namespace

InputGate::InputGate(std::vector<Port> ports) : watermark_ms_(kNoWatermark) {
  for (auto& port : ports) channels_.push_back({port.input, std::move(port.channel), kNoWatermark});
  HR_CHECK(!channels_.empty(), "an input gate without channels");
}

bool InputGate::ready() const {
  return !due_.empty() || std::any_of(channels_.begin(), channels_.end(), [](const Channel& channel) {
    return !channel.ended && !channel.blocked && channel.channel->ready();
  });
}

Result<std::optional<InputGate::Event>> InputGate::Poll() {
  for (std::size_t tried = 0; due_.empty() && tried < channels_.size(); ++tried) {
    Channel& channel = channels_[next_];
    next_ = next_ + 1 == channels_.size() ? 0 : next_ + 1;
    if (channel.ended || channel.blocked || !channel.channel->ready()) continue;
    HR_ASSIGN_OR_RAISE(auto element, channel.channel->Poll());
    if (!element) continue;
    if (columnar::IsData(*element)) return Event{channel.input, std::move(*element)};
    if (auto merged = Merge(channel, *element)) due_.push_back(std::move(*merged));
    if (std::holds_alternative<columnar::EndOfInput>(*element)) {
      if (auto barrier = ReleaseBarrier()) due_.insert(due_.begin(), std::move(*barrier));
      if (auto end = MergeEnd()) due_.push_back(std::move(*end));
    }
    tried = 0;
  }
  if (due_.empty()) return std::nullopt;
  Event event{0, std::move(due_.front())};
  due_.erase(due_.begin());
  return event;
}

std::optional<columnar::StreamElement> InputGate::Merge(Channel& channel, const columnar::StreamElement& element) {
  if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) {
    channel.watermark_ms = std::max(channel.watermark_ms, watermark->event_time_ms);
    return MergeWatermarks();
  }
  if (const auto* status = std::get_if<columnar::WatermarkStatus>(&element)) {
    channel.idle = status->idle;
    const bool all_idle = std::all_of(channels_.begin(), channels_.end(), [](const Channel& other) { return other.ended || other.idle; });
    if (all_idle != idle_) {
      idle_ = all_idle;
      return columnar::WatermarkStatus{all_idle};
    }
    return MergeWatermarks();
  }
  if (const auto* barrier = std::get_if<columnar::Barrier>(&element)) return MergeBarrier(channel, *barrier);
  channel.ended = true;
  channel.blocked = false;
  return MergeWatermarks();
}

std::optional<columnar::StreamElement> InputGate::MergeWatermarks() {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  bool any = false;
  for (const Channel& channel : channels_) {
    if (channel.ended || channel.idle) continue;
    any = true;
    least = std::min(least, channel.watermark_ms);
  }
  if (!any || least <= watermark_ms_) return std::nullopt;
  watermark_ms_ = least;
  return columnar::Watermark{least};
}

std::optional<columnar::StreamElement> InputGate::MergeEnd() {
  if (end_given_ || !std::all_of(channels_.begin(), channels_.end(), [](const Channel& channel) { return channel.ended; }))
    return std::nullopt;
  end_given_ = true;
  return columnar::EndOfInput{};
}

std::optional<columnar::StreamElement> InputGate::MergeBarrier(Channel& channel, const columnar::Barrier& barrier) {
  if (aligning_ && barrier.checkpoint_id < aligning_->checkpoint_id) return std::nullopt;  // of a checkpoint that a later one replaced
  if (!aligning_ || barrier.checkpoint_id > aligning_->checkpoint_id) {
    for (Channel& other : channels_) other.blocked = false;
    aligning_ = barrier;
  }
  channel.blocked = true;
  return ReleaseBarrier();
}

std::optional<columnar::StreamElement> InputGate::ReleaseBarrier() {
  if (!aligning_ ||
      !std::all_of(channels_.begin(), channels_.end(), [](const Channel& channel) { return channel.ended || channel.blocked; }))
    return std::nullopt;
  for (Channel& channel : channels_) channel.blocked = false;
  const columnar::Barrier barrier = *aligning_;
  aligning_.reset();
  return barrier;
}

}  // namespace headrace::data::task
