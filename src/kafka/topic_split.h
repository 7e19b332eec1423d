#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::kafka {

/// Offset that stands for the beginning of the log, wherever it is when the reading starts.
inline constexpr std::int64_t kBeginning = -2;
/// Stop offset of a split without an end.
inline constexpr std::int64_t kNoStop = -1;

/// One partition as one subtask reads it: offsets [start_offset, stop_offset). The text forms are the id and the payload of a
/// plan::SourceSplit: `plan::SourceSplit{split.Id(), split.ToPayload()}`.
struct TopicSplit {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t start_offset = kBeginning;  ///< >= 0 or kBeginning
  std::int64_t stop_offset = kNoStop;      ///< exclusive; kNoStop = unbounded
  bool operator==(const TopicSplit&) const = default;

  /// "lines-3"
  std::string Id() const;
  /// {"topic":"lines","partition":3,"start_offset":0,"stop_offset":-1}
  std::string ToPayload() const;
  /// Invalid (kInvalidPlan) for anything else than ToPayload() writes.
  static Result<TopicSplit> FromPayload(std::string_view payload);
};

}  // namespace headrace::kafka
