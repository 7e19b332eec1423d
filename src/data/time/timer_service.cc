#include "data/time/timer_service.h"

#include <algorithm>
#include <utility>

namespace headrace::data::time {

namespace {

constexpr std::size_t kFirstSlots = 64;

/// For std's heaps, which keep the greatest first. Keys in order too, so that equal runs fire alike.
bool Later(const TimerService::Timer& a, const TimerService::Timer& b) {
  return a.time_ms != b.time_ms ? a.time_ms > b.time_ms : a.key > b.key;
}

}  // namespace

std::uint64_t TimerService::Hash(std::int64_t time_ms, std::uint32_t key) {
  std::uint64_t x = (static_cast<std::uint64_t>(time_ms) ^ (static_cast<std::uint64_t>(key) << 32 | key)) * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9ULL;
  return x ^ (x >> 32);
}

/// The timer's slot, or the free one where it belongs. There are slots.
std::size_t TimerService::Find(std::int64_t time_ms, std::uint32_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = Hash(time_ms, key) & mask;
  while (slots_[at].used != 0 && (slots_[at].time_ms != time_ms || slots_[at].key != key)) at = (at + 1) & mask;
  return at;
}

void TimerService::Insert(std::int64_t time_ms, std::uint32_t key) { slots_[Find(time_ms, key)] = {time_ms, key, 1}; }

void TimerService::GrowSet() {
  std::vector<Slot> old(std::max(kFirstSlots, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.used != 0) Insert(slot.time_ms, slot.key);
  }
}

bool TimerService::Register(std::int64_t time_ms, std::uint32_t key) {
  if ((set_size_ + 1) * 8 > slots_.size() * 5) GrowSet();
  const std::size_t at = Find(time_ms, key);
  if (slots_[at].used != 0) return false;
  slots_[at] = {time_ms, key, 1};
  ++set_size_;
  heap_.push_back({time_ms, key});
  std::push_heap(heap_.begin(), heap_.end(), Later);
  return true;
}

void TimerService::EraseAt(std::size_t at) {
  const std::size_t mask = slots_.size() - 1;
  // What follows moves up, so that searches need no mark of what was here.
  for (std::size_t next = (at + 1) & mask; slots_[next].used != 0; next = (next + 1) & mask) {
    const std::size_t home = Hash(slots_[next].time_ms, slots_[next].key) & mask;
    if (((next - home) & mask) < ((next - at) & mask)) continue;
    slots_[at] = slots_[next];
    at = next;
  }
  slots_[at] = {};
  --set_size_;
}

bool TimerService::Delete(std::int64_t time_ms, std::uint32_t key) {
  if (set_size_ == 0) return false;
  const std::size_t at = Find(time_ms, key);
  if (slots_[at].used == 0) return false;
  EraseAt(at);
  // Its place in the heap goes when it comes up, or with many others here.
  if (heap_.size() > 1024 && heap_.size() > 4 * set_size_) RebuildHeap();
  return true;
}

void TimerService::RebuildHeap() {
  heap_.clear();
  for (const Slot& slot : slots_) {
    if (slot.used != 0) heap_.push_back({slot.time_ms, slot.key});
  }
  heap_.shrink_to_fit();
  std::make_heap(heap_.begin(), heap_.end(), Later);
}

void TimerService::PopHeap() {
  std::pop_heap(heap_.begin(), heap_.end(), Later);
  heap_.pop_back();
}

void TimerService::DropDeleted() {
  while (!heap_.empty() && (set_size_ == 0 || slots_[Find(heap_.front().time_ms, heap_.front().key)].used == 0)) PopHeap();
}

std::int64_t TimerService::next() {
  DropDeleted();
  return heap_.empty() ? kNever : heap_.front().time_ms;
}

void TimerService::TakeDue(std::int64_t until_ms, std::size_t most, std::vector<Timer>* due) {
  due->clear();
  while (due->size() < most) {
    DropDeleted();
    if (heap_.empty() || heap_.front().time_ms > until_ms) return;
    const Timer timer = heap_.front();
    PopHeap();
    // A timer that was deleted and registered again stands in the heap twice; the set knows it once.
    EraseAt(Find(timer.time_ms, timer.key));
    due->push_back(timer);
  }
}

void TimerService::ForEach(const std::function<void(const Timer&)>& visit) const {
  for (const Slot& slot : slots_) {
    if (slot.used != 0) visit({slot.time_ms, slot.key});
  }
}

void TimerService::Renumber(const std::vector<std::uint32_t>& moved) {
  std::vector<Slot> old(slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.used != 0) Insert(slot.time_ms, moved[slot.key]);
  }
  RebuildHeap();
}

std::int64_t TimerService::allocated_bytes() const {
  return static_cast<std::int64_t>(heap_.capacity() * sizeof(Timer) + slots_.capacity() * sizeof(Slot));
}

}  // namespace headrace::data::time
