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
  HR_RETURN_NOT_OK(Read());
  if (due_.empty()) return std::nullopt;
  auto event = std::make_optional<Event>();
  *event = std::move(due_.front());
  due_.pop_front();
  return event;
}

Status InputGate::Read() {
  for (std::size_t tried = 0; due_.empty() && tried < channels_.size();) {
    ++tried;
    const std::size_t index = next_;
    Channel& channel = channels_[index];
    next_ = next_ + 1 == channels_.size() ? 0 : next_ + 1;
    if (channel.ended || channel.blocked || !channel.channel->ready()) continue;
    HR_ASSIGN_OR_RAISE(auto element, channel.channel->PollPart());
    if (!element) continue;
    tried = 0;
    if (element->is_data()) {
      HR_RETURN_NOT_OK(TakeRows(channel.input, element->TakePart()));
      continue;
    }
    Merge(index, element->element);
    if (std::holds_alternative<columnar::EndOfInput>(element->element)) {
      if (auto barrier = ReleaseBarrier()) due_.push_front({0, std::move(*barrier)});
      if (auto end = MergeEnd()) due_.push_back({0, std::move(*end)});
    }
    // Rows that came before it stay before it.
    if (!due_.empty()) HR_RETURN_NOT_OK(FlushMerged(/*in_front=*/true));
  }
  return due_.empty() ? FlushMerged(/*in_front=*/false) : Status::OK();
}

Status InputGate::TakeRows(std::uint32_t input, exchange::BatchPart part) {
  if (mergers_.size() <= input) mergers_.resize(input + 1);
  PartMerger& merger = mergers_[input];
  const bool takes = merges_ && merger.Takes(part);
  if (takes) HR_RETURN_NOT_OK(merger.Add(std::move(part)));
  if (takes && !merger.full()) return Status::OK();
  if (!merger.empty()) {
    HR_ASSIGN_OR_RAISE(auto merged, merger.Finish());
    due_.push_back({input, std::move(merged)});
  }
  if (!takes) due_.push_back({input, part.ToBatch()});
  return Status::OK();
}

Status InputGate::FlushMerged(bool in_front) {
  for (std::uint32_t input = 0; input < mergers_.size(); ++input) {
    if (mergers_[input].empty()) continue;
    HR_ASSIGN_OR_RAISE(auto merged, mergers_[input].Finish());
    due_.insert(in_front ? due_.begin() : due_.end(), Event{input, std::move(merged)});
  }
  return Status::OK();
}

void InputGate::Merge(std::size_t index, const columnar::StreamElement& element) {
  Channel& channel = channels_[index];
  if (const auto* barrier = std::get_if<columnar::Barrier>(&element)) {
    if (auto merged = MergeBarrier(channel, *barrier)) due_.push_back({0, std::move(*merged)});
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
  if (change.idle == false) due_.push_back({0, columnar::WatermarkStatus{false}});
  if (change.watermark_ms) due_.push_back({0, columnar::Watermark{*change.watermark_ms}});
  if (change.idle == true) due_.push_back({0, columnar::WatermarkStatus{true}});
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
