#include "data/exchange/input_queue.h"

#include <utility>

#include "columnar/ipc.h"

namespace headrace::data::exchange {

using columnar::StreamElement;

InputQueue::InputQueue(ChannelId id, std::int64_t credit_bytes, Waker* waker)
    : id_(std::move(id)), credit_bytes_(credit_bytes), waker_(waker) {}

bool InputQueue::Attach(std::shared_ptr<ProducerEnd> producer) {
  std::lock_guard lock(mutex_);
  if (attached_ || !failure_.ok()) return false;
  attached_ = true;
  producer_ = std::move(producer);
  return true;
}

bool InputQueue::ShowOn(BoardPlace place) {
  std::lock_guard lock(mutex_);
  place_ = std::move(place);
  SetReady(ready());
  return true;
}

BoardPlace InputQueue::place() const {
  std::lock_guard lock(mutex_);
  return place_;
}

void InputQueue::SetReady(bool ready) {
  ready_.store(ready, std::memory_order_release);
  if (place_.board == nullptr) return;
  if (ready)
    place_.board->SetReady(place_.channel);
  else
    place_.board->ClearReady(place_.channel);
}

void InputQueue::Push(ChannelElement element, std::int64_t cost) { Push(Entry{std::move(element), {}, cost}); }
void InputQueue::PushEncoded(EncodedElement element, std::int64_t cost) { Push(Entry{{}, std::move(element), cost}); }

void InputQueue::Push(Entry entry) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok() || has_end_) return;
    has_end_ = std::holds_alternative<columnar::EndOfInput>(entry.element.element);
    was_empty = entries_.empty();
    queued_bytes_.fetch_add(entry.cost, std::memory_order_relaxed);
    entries_.push_back(std::move(entry));
    if (was_empty) SetReady(true);
  }
  if (was_empty) waker_.Wake();
}

Result<std::optional<StreamElement>> InputQueue::Poll() {
  HR_ASSIGN_OR_RAISE(auto element, PollPart());
  if (!element) return std::nullopt;
  return std::optional(element->Take());
}

Result<std::optional<ChannelElement>> InputQueue::PollPart() {
  Entry entry;
  std::shared_ptr<ProducerEnd> producer;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    if (entries_.empty()) return std::nullopt;
    entry = entries_.pop_front();
    if (entries_.empty()) SetReady(false);
    producer = producer_;
  }
  if (entry.cost > 0) {
    queued_bytes_.fetch_sub(entry.cost, std::memory_order_relaxed);
    if (producer != nullptr) producer->ReturnCredit(entry.cost);
  }
  if (entry.encoded.metadata == nullptr) return std::optional(std::move(entry.element));
  auto batch = columnar::DecodeBatch(entry.encoded.schema, std::move(entry.encoded.metadata), std::move(entry.encoded.body));
  if (batch.ok()) return std::optional<ChannelElement>(std::in_place, StreamElement(std::move(*batch)));
  const Status failure =
      Error(ErrorCode::kExchangeBroken, "channel " + id_.ToString() + " carried a batch that cannot be read: " + batch.status().message());
  {
    std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = failure;  // also when the end is here: a batch before it is lost
    producer_.reset();
    SetReady(true);
  }
  if (producer != nullptr) producer->ConsumerGone(failure);
  return failure;
}

void InputQueue::Fail(const Status& why) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok() || has_end_) return;
    failure_ = why;
    producer_.reset();
    SetReady(true);
  }
  waker_.Wake();
}

void InputQueue::Detach(const Status& why) {
  waker_.Clear();
  std::shared_ptr<ProducerEnd> producer;
  Fifo<Entry> dropped;
  {
    std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = why;
    producer = std::exchange(producer_, nullptr);
    std::swap(dropped, entries_);
    queued_bytes_.store(0, std::memory_order_relaxed);
    SetReady(true);
  }
  if (producer != nullptr) producer->ConsumerGone(why);
}

}  // namespace headrace::data::exchange
