#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/exchange/batch_part.h"

namespace headrace::data::exchange {

enum class PartitioningScheme { kForward, kHash, kRebalance, kBroadcast };

/// Splits batches over the channels of one edge and gathers small pieces. Owned by the producer's task, its thread only.
/// Hash: rows of one key always go to the channel of the subtask that owns the key's group.
class Partitioner {
 public:
  struct Piece {
    std::uint32_t channel;
    BatchPart part;

    Piece(std::uint32_t to, columnar::DataBatch batch) : channel(to), part(BatchPart::Whole(std::move(batch))) {}
    Piece(std::uint32_t to, BatchPart rows) : channel(to), part(std::move(rows)) {}
  };
  virtual ~Partitioner() = default;
  /// Takes a batch and appends what is ready to be sent. Pieces below the target size may be held back until Flush().
  virtual Status Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) = 0;
  /// Gives out everything held back: before a control element, when the task idles, or when pieces are older than the flush age.
  virtual Status Flush(std::vector<Piece>* ready) = 0;
  virtual bool has_pending() const = 0;
};

struct PartitionerOptions {
  PartitioningScheme scheme = PartitioningScheme::kForward;
  std::uint32_t channels = 1;
  std::uint32_t max_parallelism = 128;
  std::vector<std::string> hash_columns;  ///< kHash of typed rows: by these; empty = by the key column
  std::uint32_t first_channel = 0;        ///< where rebalance starts, to spread producers
  std::int64_t target_bytes = 32 << 10;
  std::int64_t max_rows = 8192;
  /// kHash: by channel, whether it shares batches; then its rows leave at once, as parts. Empty = none does.
  std::vector<bool> sharing;
};
Result<std::unique_ptr<Partitioner>> MakePartitioner(const PartitionerOptions& options);

}  // namespace headrace::data::exchange
