#include "data/task/input_gate.h"

#include <algorithm>
#include <utility>

namespace headrace::data::task {

InputGate::InputGate(std::vector<Port> ports) {
  for (auto& port : ports) {
    channels_.push_back({port.input, std::move(port.channel)});
    merger_.AddChannel();
  }
  HR_CHECK(!channels_.empty(), "an input gate without channels");
}

bool InputGate::ready() const {
  return !due_.empty() || std::any_of(channels_.begin(), channels_.end(), [](const Channel& channel) {
    return !channel.ended && !channel.blocked && channel.channel->ready();
  });
}

Result<std::optional<InputGate::Event>> InputGate::Poll() {
  for (std::size_t tried = 0; due_.empty() && tried < channels_.size();) {
    ++tried;
    const std::size_t index = next_;
    Channel& channel = channels_[index];
    next_ = next_ + 1 == channels_.size() ? 0 : next_ + 1;
    if (channel.ended || channel.blocked || !channel.channel->ready()) continue;
    HR_ASSIGN_OR_RAISE(auto element, channel.channel->Poll());
    if (!element) continue;
    if (columnar::IsData(*element)) return Event{channel.input, std::move(*element)};
    Merge(index, *element);
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

void InputGate::Merge(std::size_t index, const columnar::StreamElement& element) {
  Channel& channel = channels_[index];
  if (const auto* barrier = std::get_if<columnar::Barrier>(&element)) {
    if (auto merged = MergeBarrier(channel, *barrier)) due_.push_back(std::move(*merged));
    return;
  }
  if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) {
    merger_.Advance(index, watermark->event_time_ms);
  } else if (const auto* status = std::get_if<columnar::WatermarkStatus>(&element)) {
    merger_.SetIdle(index, status->idle);
  } else {
    channel.ended = true;
    channel.blocked = false;
    merger_.End(index);
    if (merger_.all_ended()) return;  // the end says all
  }
  MergeWatermarks();
}

void InputGate::MergeWatermarks() {
  const auto change = merger_.Take();
  if (change.idle == false) due_.push_back(columnar::WatermarkStatus{false});
  if (change.watermark_ms) due_.push_back(columnar::Watermark{*change.watermark_ms});
  if (change.idle == true) due_.push_back(columnar::WatermarkStatus{true});
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
