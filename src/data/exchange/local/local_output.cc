#include "data/exchange/local/local_output.h"

#include <utility>

namespace headrace::data::exchange {

Status LocalOutput::Write(columnar::StreamElement element) {
  const auto* watermark = std::get_if<columnar::Watermark>(&element);
  if (watermark != nullptr && place_.board != nullptr && open()) {
    shown_ = *watermark;
    if (place_.board->Advance(place_.channel, watermark->event_time_ms)) WakeConsumer();
    return Status::OK();
  }
  const bool asks = watermark != nullptr && place_.board == nullptr;
  HR_RETURN_NOT_OK(PassShown());
  HR_RETURN_NOT_OK(Pass(ChannelElement(std::move(element))));
  if (!asks) return Status::OK();
  std::lock_guard lock(mutex_);
  if (queue_ != nullptr) place_ = queue_->place();
  return Status::OK();
}

Status LocalOutput::WritePart(BatchPart part) {
  HR_RETURN_NOT_OK(PassShown());
  return Pass(ChannelElement(std::move(part)));
}

Status LocalOutput::PassShown() {
  if (!shown_) return Status::OK();
  return Pass(ChannelElement(columnar::StreamElement(*std::exchange(shown_, std::nullopt))));
}

void LocalOutput::WakeConsumer() {
  std::shared_ptr<InputQueue> queue;
  {
    std::lock_guard lock(mutex_);
    queue = queue_;
  }
  if (queue != nullptr) queue->Wake();
}

Status LocalOutput::Pass(ChannelElement element) {
  std::shared_ptr<InputQueue> queue;
  const std::int64_t cost = element.size_bytes();
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    balance_.fetch_sub(cost, std::memory_order_acq_rel);
    if (queue_ == nullptr) {
      early_.push_back(std::move(element));
      return Status::OK();
    }
    queue = queue_;
  }
  queue->Push(std::move(element), cost);
  return Status::OK();
}

Status LocalOutput::status() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void LocalOutput::Connect(std::shared_ptr<InputQueue> queue) {
  if (!queue->Attach(shared_from_this())) {
    Fail(Error(ErrorCode::kExchangeBroken, "channel " + id_.ToString() + " has another producer"));
    return;
  }
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) {
      queue->Fail(failure_);
      return;
    }
    for (auto& element : early_) {
      const std::int64_t cost = element.size_bytes();
      queue->Push(std::move(element), cost);
    }
    early_.clear();
    balance_.fetch_add(queue->credit_bytes(), std::memory_order_acq_rel);
    queue_ = std::move(queue);
    open_.store(true, std::memory_order_release);
  }
  waker_.Wake();
}

void LocalOutput::Fail(const Status& why) {
  std::shared_ptr<InputQueue> queue;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = why;
    open_.store(false, std::memory_order_release);
    queue = std::exchange(queue_, nullptr);
    early_.clear();
  }
  if (queue != nullptr) queue->Fail(why);
  waker_.Wake();
}

void LocalOutput::Detach(const Status& why) {
  waker_.Clear();
  Fail(why);
}

void LocalOutput::ReturnCredit(std::int64_t bytes) {
  const std::int64_t before = balance_.fetch_add(bytes, std::memory_order_acq_rel);
  if (before <= 0 && before + bytes > 0) waker_.Wake();
}

}  // namespace headrace::data::exchange
