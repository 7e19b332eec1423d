#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "columnar/column_gatherer.h"
#include "data/exchange/partitioner.h"

namespace headrace::data::exchange {

/// Sends each row to the subtask that owns its key group. Rows are counted per channel and their indices sorted by it once a
/// batch; then each column is gathered channel by channel. Rows for other processes go into buffers that live over batches, so that small
/// pieces of many batches leave as one; rows for this process become one batch in the order of their channels, and leave at once as parts
/// of it. By the key column: the key hash is computed when the batch does not carry it, and travels with the rows.
/// By columns of typed rows: the hash is of docs/formats/row_hash.md and stays here.
/// Order: rows of one channel keep theirs. Rows of one batch and channel leave in one batch.
/// Errors: Invalid without a key column or with a column type that cannot be gathered.
class HashPartitioner final : public Partitioner {
 public:
  explicit HashPartitioner(const PartitionerOptions& options);
  ~HashPartitioner() override;
  Status Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) override;
  Status Flush(std::vector<Piece>* ready) override;
  bool has_pending() const override { return pending_rows_ > 0; }

 private:
  struct Channel {
    std::vector<std::unique_ptr<columnar::ColumnGatherer>> columns;
    std::int64_t rows = 0;
  };
  Status UseSchema(const std::shared_ptr<arrow::Schema>& schema, bool adds_hash, std::vector<Piece>* ready);
  Status FindColumns(const arrow::Schema& schema);
  Status AddByColumns(const columnar::DataBatch& batch, std::vector<Piece>* ready);
  /// Moves the sorted rows into their channels; `hashes` is the last column unless it is null.
  Status Gather(const columnar::DataBatch& batch, const std::shared_ptr<arrow::ArrayData>& hashes, std::vector<Piece>* ready);
  /// The rows for channels that share batches, as parts of one batch.
  Status GatherShared(const columnar::DataBatch& batch, const std::shared_ptr<arrow::ArrayData>& hashes, std::vector<Piece>* ready);
  bool shares(std::uint32_t channel) const { return !options_.sharing.empty() && options_.sharing[channel]; }
  Status SortRows(const std::uint64_t* hashes, std::int64_t rows);
  Status Emit(std::uint32_t channel, std::vector<Piece>* ready);

  const PartitionerOptions options_;
  std::vector<std::uint32_t> channel_of_group_;
  std::vector<Channel> channels_;
  bool shares_any_ = false, holds_any_ = true;
  std::vector<std::unique_ptr<columnar::ColumnGatherer>> shared_;  // empty between batches
  std::shared_ptr<arrow::Schema> input_schema_;
  std::shared_ptr<arrow::Schema> schema_;  // input_schema_, with the hash column
  std::vector<int> hash_columns_;          // places of options_.hash_columns in input_schema_
  std::vector<std::uint64_t> row_hashes_;
  std::vector<std::uint32_t> channel_of_row_, indices_;
  std::vector<std::uint32_t> starts_;  // channel c owns indices_[starts_[c] .. starts_[c + 1])
  std::vector<std::uint32_t> cursors_;
  std::int64_t pending_rows_ = 0;
};

}  // namespace headrace::data::exchange
