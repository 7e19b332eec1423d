#include "data/exchange/partitioner.h"

#include <algorithm>

#include "data/exchange/hash_partitioner.h"

namespace headrace::data::exchange {
namespace {

/// Whole batches to one channel after the other: forward (one channel) and rebalance.
class RoundRobinPartitioner final : public Partitioner {
 public:
  RoundRobinPartitioner(std::uint32_t channels, std::uint32_t first) : channels_(channels), next_(first % channels) {}
  Status Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) override {
    if (batch.num_rows() == 0) return Status::OK();
    ready->push_back({next_, batch});
    next_ = next_ + 1 == channels_ ? 0 : next_ + 1;
    return Status::OK();
  }
  Status Flush(std::vector<Piece>*) override { return Status::OK(); }
  bool has_pending() const override { return false; }

 private:
  const std::uint32_t channels_;
  std::uint32_t next_;
};

class BroadcastPartitioner final : public Partitioner {
 public:
  explicit BroadcastPartitioner(std::uint32_t channels) : channels_(channels) {}
  Status Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) override {
    if (batch.num_rows() == 0) return Status::OK();
    for (std::uint32_t channel = 0; channel < channels_; ++channel) ready->push_back({channel, batch});
    return Status::OK();
  }
  Status Flush(std::vector<Piece>*) override { return Status::OK(); }
  bool has_pending() const override { return false; }

 private:
  const std::uint32_t channels_;
};

}  // namespace

Result<std::unique_ptr<Partitioner>> MakePartitioner(const PartitionerOptions& options) {
  if (options.channels == 0 || options.target_bytes <= 0 || options.max_rows <= 0)
    return Status::Invalid("a partitioner needs channels, target bytes and rows above 0");
  switch (options.scheme) {
    case PartitioningScheme::kForward:
      if (options.channels != 1) return Status::Invalid("a forward edge has one channel per subtask, not ", options.channels);
      return std::make_unique<RoundRobinPartitioner>(1, 0);
    case PartitioningScheme::kRebalance:
      return std::make_unique<RoundRobinPartitioner>(options.channels, options.first_channel);
    case PartitioningScheme::kBroadcast:
      return std::make_unique<BroadcastPartitioner>(options.channels);
    case PartitioningScheme::kHash:
      if (options.max_parallelism == 0 || options.max_parallelism > 32768 || options.channels > options.max_parallelism)
        return Status::Invalid("hash partitioning of ", options.max_parallelism, " key groups over ", options.channels, " channels");
      if (options.channels == 1) return std::make_unique<RoundRobinPartitioner>(1, 0);
      return std::make_unique<HashPartitioner>(options);
  }
  return Status::Invalid("an unknown partitioning scheme");
}

}  // namespace headrace::data::exchange
