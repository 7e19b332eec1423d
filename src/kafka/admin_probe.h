#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/outcome.h"
#include "base/status.h"
#include "kafka/client_settings.h"
#include "kafka/topic_split.h"

namespace headrace::kafka {

/// Earliest offset that can be read, and the one behind the last (last stable offset for read_committed readers).
struct PartitionWatermarks {
  std::int32_t partition = 0;
  std::int64_t earliest = 0;
  std::int64_t latest = 0;
  bool operator==(const PartitionWatermarks&) const = default;
};

struct PartitionOffset {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  bool operator==(const PartitionOffset&) const = default;
};

/// Where a source starts and whether it ends.
struct ReadRange {
  enum class Start { kEarliest, kLatest, kCommitted, kTimestamp };
  Start start = Start::kEarliest;
  std::int64_t start_timestamp_ms = 0;  ///< kTimestamp: milliseconds since 1970 UTC
  std::string group_id;                 ///< kCommitted: whose commits; partitions without a commit start at the earliest offset
  bool stop_at_latest = false;          ///< end each partition where it ends now
};

/// Asks one Kafka cluster about topics. Calls return at once; each callback is called exactly once, on the probe's own
/// side thread (post to your executor from it), requests being served in order. The timeout bounds each call from its turn on,
/// however many questions to brokers it takes.
/// Answers: done; not_done with kUnknownTopic (it was asked for again for 2 s: it may just have been made), kBrokerUnreachable (transient:
/// ask again) or kBadOption (not authorised). Questions change nothing, topics are never created by asking, so there is no unknown outcome.
/// Stops in two phases: RequestStop() does not block and answers what is queued with kBrokerUnreachable; the destructor joins.
class AdminProbe {
 public:
  template <typename T>
  using Callback = std::function<void(Outcome<T>)>;
  virtual ~AdminProbe() = default;
  /// Partition numbers, ascending.
  virtual void ListPartitions(std::string topic, Callback<std::vector<std::int32_t>> done) = 0;
  virtual void Watermarks(std::string topic, std::vector<std::int32_t> partitions, Callback<std::vector<PartitionWatermarks>> done) = 0;
  /// First offset whose record is at or after the timestamp; the latest offset where there is none.
  virtual void OffsetsForTime(std::string topic, std::vector<std::int32_t> partitions, std::int64_t timestamp_ms,
                              Callback<std::vector<PartitionOffset>> done) = 0;
  /// Only partitions for which the group has a commit.
  virtual void Committed(std::string topic, std::vector<std::int32_t> partitions, std::string group_id,
                         Callback<std::vector<PartitionOffset>> done) = 0;
  /// All of the above in one: a split for every partition with its start and stop resolved to numbers, in partition order.
  virtual void PlanSplits(std::string topic, ReadRange range, Callback<std::vector<TopicSplit>> done) = 0;
  virtual void RequestStop() = 0;
};

/// A probe with its own client. Fails only for settings that librdkafka refuses (kBadOption).
Result<std::unique_ptr<AdminProbe>> MakeAdminProbe(const ClientSettings& settings, int timeout_ms = 5000);

}  // namespace headrace::kafka
