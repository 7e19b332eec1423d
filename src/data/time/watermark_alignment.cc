#include "data/time/watermark_alignment.h"

#include <algorithm>
#include <utility>

namespace headrace::data::time {
namespace {

/// The lesser of two watermarks, of which either may be missing.
std::int64_t Lesser(std::int64_t a, std::int64_t b) { return a == kNoWatermark ? b : b == kNoWatermark ? a : std::min(a, b); }

}  // namespace

std::shared_ptr<WatermarkAlignment::Member> WatermarkAlignment::Join(const std::string& group) {
  auto member = std::make_shared<Member>();
  const std::lock_guard lock(mutex_);
  groups_[group].push_back(member);
  return member;
}

std::int64_t WatermarkAlignment::LeastOf(const std::vector<std::weak_ptr<Member>>& members) {
  std::int64_t least = kNoWatermark;
  for (const auto& known : members) {
    if (const auto member = known.lock()) least = Lesser(least, member->watermark_ms_.load(std::memory_order_relaxed));
  }
  return least;
}

std::int64_t WatermarkAlignment::Least(const std::string& group) const {
  const std::lock_guard lock(mutex_);
  const auto members = groups_.find(group);
  const auto others = others_.find(group);
  return Lesser(members == groups_.end() ? kNoWatermark : LeastOf(members->second),
                others == others_.end() ? kNoWatermark : others->second);
}

std::map<std::string, std::int64_t> WatermarkAlignment::OwnLeast() const {
  std::map<std::string, std::int64_t> own;
  const std::lock_guard lock(mutex_);
  for (const auto& [group, members] : groups_) {
    const std::int64_t least = LeastOf(members);
    if (least != kNoWatermark) own.emplace(group, least);
  }
  return own;
}

void WatermarkAlignment::SetOthers(std::map<std::string, std::int64_t> least) {
  const std::lock_guard lock(mutex_);
  others_ = std::move(least);
}

}  // namespace headrace::data::time
