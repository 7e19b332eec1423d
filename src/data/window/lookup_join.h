#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/connector/source.h"
#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/key_words.h"
#include "plan/job_graph.h"

namespace headrace::data::window {

/// Joins rows with a table that it reads whole from a bounded source when it opens; until then it takes no rows and lets nothing pass.
/// Shape:  in rows; out, in their order, the row's columns and those of each row of the table with equal keys, in the table's order.
///         Rows without one go, or come with nulls. A null key equals nothing.
/// Errors: those of the source that reads the table; kBadRecord when it has 2^31 rows or more.
/// Thread: owning task's; the source has its own side threads.
class LookupJoin final : public op::Operator {
 public:
  struct Table {
    std::unique_ptr<connector::SourceReader> reader;
    connector::ConnectorContext context;
    std::vector<plan::SourceSplit> splits;
  };
  static Result<std::unique_ptr<op::Operator>> Make(const plan::LookupSpec& spec, Table table, const arrow::Schema& input);
  ~LookupJoin() override;
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return loaded_; }
  bool busy() const override { return !loaded_; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  void RequestStop() override;

 private:
  LookupJoin(const plan::LookupSpec& spec, Table table, KeyWords keys);
  Status Load();
  /// Takes the rows that were read, in one piece, and makes the index.
  Status Index();
  Result<std::shared_ptr<arrow::RecordBatch>> KeysOf(const arrow::RecordBatch& records, const std::vector<int>& columns) const;
  /// Fills probes_ and matches_ with pairs of row numbers.
  void Match(const std::vector<const std::uint64_t*>& keys, const arrow::RecordBatch& key_columns);
  void ForgetTexts();
  void AccountBytes();

  const bool keep_unmatched_;
  Table table_;
  KeyWords keys_;
  std::shared_ptr<arrow::Schema> key_schema_;
  std::vector<int> left_keys_, right_keys_, right_columns_;
  arrow::FieldVector right_fields_;
  arrow::RecordBatchVector read_;
  arrow::ArrayVector columns_;       // the table's, without keys; their last row is null
  state::GroupTable first_of_;       // key -> its first row + 1
  std::vector<std::uint32_t> next_;  // row -> the next one with its key + 1; 0 = none
  std::vector<std::uint32_t> probes_, matches_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t table_bytes_ = 0, accounted_bytes_ = 0;
  bool loaded_ = false;
};

}  // namespace headrace::data::window
