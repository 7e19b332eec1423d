#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>

namespace headrace::data::window {

/// Where subtasks that share something on one thread wait with their watermarks until each has had a turn; then one does what all wait for:
/// the one whose last watermark is the least, because no other may speak for it.
/// Thread: one loop's.
class Meeting {
 public:
  using Member = std::uint32_t;

  Member Join() {
    members_.emplace(++last_, Place{});
    return last_;
  }
  void Leave(Member member) { members_.erase(member); }
  /// Its last watermark was `passed_ms`, `to_ms` waits.
  void Wait(Member member, std::int64_t passed_ms, std::int64_t to_ms) { members_.at(member) = {true, passed_ms, to_ms}; }
  bool is_waiting(Member member) const { return members_.at(member).waits; }
  /// Whether it is the one. It must be waiting.
  bool Leads(Member member) const {
    const auto is_before = [](const auto& a, const auto& b) {
      return a.second.waits && (!b.second.waits || a.second.passed_ms < b.second.passed_ms);
    };
    return std::min_element(members_.begin(), members_.end(), is_before)->first == member;
  }
  /// The greatest watermark that waits. One must.
  std::int64_t greatest_ms() const {
    std::int64_t greatest = std::numeric_limits<std::int64_t>::min();
    for (const auto& [_, place] : members_)
      if (place.waits) greatest = std::max(greatest, place.to_ms);
    return greatest;
  }
  /// What was waited for is done.
  void End() {
    for (auto& [_, place] : members_) place.waits = false;
  }

  std::size_t size() const { return members_.size(); }
  bool is_first(Member member) const { return members_.begin()->first == member; }

 private:
  struct Place {
    bool waits = false;
    std::int64_t passed_ms = 0, to_ms = 0;
  };
  std::map<Member, Place> members_;
  Member last_ = 0;
};

}  // namespace headrace::data::window
