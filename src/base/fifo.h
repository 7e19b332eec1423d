#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace headrace {

/// A queue for where there are very many and most are empty: one without items has no memory of its own, and one that empties from time to
/// time keeps a little of it. Appending may move the items. Of one thread, or guarded by its owner.
template <typename T>
class Fifo {
 public:
  bool empty() const { return first_ == items_.size(); }
  std::size_t size() const { return items_.size() - first_; }
  T& front() { return items_[first_]; }
  template <typename... Args>
  void emplace_back(Args&&... args) {
    items_.emplace_back(std::forward<Args>(args)...);
  }
  void push_back(T item) { items_.push_back(std::move(item)); }
  /// Removes the first item and gives it. There must be one.
  T pop_front() {
    T item = std::move(items_[first_++]);
    if (empty())
      clear();
    else if (first_ >= kMostDead && first_ * 2 >= items_.size())
      DropDead();
    return item;
  }
  void clear() {
    if (items_.capacity() > kMostKept) std::vector<T>().swap(items_);
    items_.clear();
    first_ = 0;
  }
  auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  auto end() { return items_.end(); }

 private:
  static constexpr std::size_t kMostDead = 32;
  static constexpr std::size_t kMostKept = 64;

  void DropDead() {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }

  std::vector<T> items_;
  std::size_t first_ = 0;  // the items before it have been moved out
};

}  // namespace headrace
