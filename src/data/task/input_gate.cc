#include "data/task/input_gate.h"

#include <algorithm>
#include <utility>

namespace headrace::data::task {

InputGate::InputGate(std::vector<Port> ports) : board_(std::make_shared<exchange::ChannelBoard>(ports.size())) {
  for (auto& port : ports) {
    channels_.push_back({port.input, std::move(port.channel)});
    merger_.AddChannel();
  }
  HR_CHECK(!channels_.empty(), "an input gate without channels");
  for (std::size_t i = 0; i < channels_.size(); ++i)
    if (!channels_[i].channel->ShowOn({board_, i})) board_->SetReady(i);  // it is asked each time
  board_->Await(0);
}

bool InputGate::ready() const {
  if (!due_.empty() || News(board_->awaited())) return true;
  for (std::size_t i = board_->NextReady(0); i < channels_.size(); i = board_->NextReady(i + 1))
    if (CanRead(i)) return true;
  return false;
}

std::optional<std::size_t> InputGate::NextChannel() {
  const std::size_t start = next_;
  for (const auto& [from, to] : {std::pair(start, channels_.size()), std::pair(std::size_t{0}, start)}) {
    for (std::size_t i = board_->NextReady(from); i < to; i = board_->NextReady(i + 1)) {
      if (!CanRead(i)) continue;
      next_ = i + 1 == channels_.size() ? 0 : i + 1;
      return i;
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> InputGate::News(std::size_t index) const {
  if (index >= channels_.size()) return std::nullopt;
  // First the watermark: what was pushed before it is ready then.
  const std::int64_t watermark_ms = board_->watermark_ms(index);
  if (watermark_ms <= merger_.watermark_ms(index) || channels_[index].blocked || board_->ready(index)) return std::nullopt;
  return watermark_ms;
}

Status InputGate::ReadBoard() {
  while (due_.empty() && News(board_->awaited())) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (const auto watermark_ms = News(i)) merger_.Advance(i, *watermark_ms);
    }
    MergeWatermarks();
    if (!due_.empty()) HR_RETURN_NOT_OK(FlushMerged(/*in_front=*/true));
  }
  return Status::OK();
}

void InputGate::AwaitSlowest() {
  const std::size_t awaited = board_->awaited();
  const bool holds = awaited < channels_.size() && !merger_.idle(awaited) && !merger_.ended(awaited) &&
                     merger_.watermark_ms(awaited) <= merger_.watermark_ms();
  if (!holds) board_->Await(merger_.slowest().value_or(exchange::ChannelBoard::kNone));
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
  HR_RETURN_NOT_OK(ReadBoard());
  while (due_.empty()) {
    const auto next = NextChannel();
    if (!next) {
      HR_RETURN_NOT_OK(ReadBoard());
      break;
    }
    const std::size_t index = *next;
    Channel& channel = channels_[index];
    HR_ASSIGN_OR_RAISE(auto element, channel.channel->PollPart());
    if (!element) continue;
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
  if (takes) merger.Add(std::move(part));
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
  AwaitSlowest();
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
