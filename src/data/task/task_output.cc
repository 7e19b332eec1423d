#include "data/task/task_output.h"

#include <algorithm>
#include <utility>

namespace headrace::data::task {

EdgeOutput::EdgeOutput(std::unique_ptr<exchange::Partitioner> partitioner, std::vector<std::shared_ptr<exchange::OutputChannel>> channels,
                       std::string tag)
    : partitioner_(std::move(partitioner)), tag_(std::move(tag)), channels_(std::move(channels)), queues_(channels_.size()) {}

Status EdgeOutput::Add(const columnar::DataBatch& batch, MonotonicTime now) {
  HR_RETURN_NOT_OK(partitioner_->Add(batch, &pieces_));
  HR_RETURN_NOT_OK(Queue(&pieces_));
  if (!partitioner_->has_pending()) {
    held_since_ = MonotonicTime::max();
  } else if (held_since_ == MonotonicTime::max()) {
    held_since_ = now;
  }
  return Pump().status();
}

Status EdgeOutput::FlushHeld() {
  HR_RETURN_NOT_OK(partitioner_->Flush(&pieces_));
  held_since_ = MonotonicTime::max();
  HR_RETURN_NOT_OK(Queue(&pieces_));
  return Pump().status();
}

Status EdgeOutput::AddControl(const columnar::StreamElement& element) {
  HR_RETURN_NOT_OK(FlushHeld());
  HR_CHECK(!partitioner_->has_pending(), "rows are held back behind a control element");
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].empty()) {
      HR_RETURN_NOT_OK(channels_[i]->Write(element));
      continue;
    }
    queues_[i].emplace_back(element);
    ++queued_;
  }
  return Pump().status();
}

Status EdgeOutput::Queue(std::vector<exchange::Partitioner::Piece>* pieces) {
  for (auto& piece : *pieces) {
    HR_CHECK(piece.channel < queues_.size(), "a partitioner chose a channel that does not exist");
    if (queues_[piece.channel].empty() && channels_[piece.channel]->writable()) {
      HR_RETURN_NOT_OK(channels_[piece.channel]->WritePart(std::move(piece.part)));
      continue;
    }
    queues_[piece.channel].emplace_back(std::move(piece.part));
    ++queued_;
  }
  pieces->clear();
  return Status::OK();
}

Status EdgeOutput::Write(std::size_t channel, exchange::ChannelElement element) {
  if (element.is_data()) return channels_[channel]->WritePart(element.TakePart());
  return channels_[channel]->Write(std::move(element.element));
}

Result<bool> EdgeOutput::Pump() {
  bool moved = false;
  for (std::size_t i = 0; queued_ > 0 && i < channels_.size(); ++i) {
    auto& queue = queues_[i];
    while (!queue.empty() && (!queue.front().is_data() || channels_[i]->writable())) {
      HR_RETURN_NOT_OK(Write(i, queue.pop_front()));
      --queued_;
      moved = true;
    }
  }
  return moved;
}

Status EdgeOutput::Check() const {
  for (const auto& channel : channels_) {
    if (!channel->open()) HR_RETURN_NOT_OK(channel->status());
  }
  return Status::OK();
}

bool EdgeOutput::delivered() const {
  return queued_ == 0 && std::all_of(channels_.begin(), channels_.end(), [](const auto& channel) { return channel->open(); });
}

}  // namespace headrace::data::task
