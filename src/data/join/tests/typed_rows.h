#pragma once
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "data/operator/operator.h"

namespace headrace::data::join {

/// A row of the models: a key that may be null, a number, an event time, a kind.
struct ModelRow {
  std::optional<std::int64_t> key;
  std::int64_t value = 0, time_ms = 0;
  columnar::RowKind kind = columnar::RowKind::kInsert;
};

inline std::shared_ptr<arrow::Schema> ModelSchema(const std::string& value) {
  return arrow::schema({arrow::field("k", arrow::utf8()), arrow::field(value, arrow::int64(), false)});
}

/// Rows as a batch: columns k (text) and `value`, event times and row kinds behind them when they are asked for.
inline columnar::DataBatch BatchOf(const std::vector<ModelRow>& rows, const std::string& value, bool times, bool kinds) {
  arrow::StringBuilder key;
  arrow::Int64Builder number, time;
  arrow::UInt8Builder kind;
  for (const ModelRow& row : rows) {
    EXPECT_TRUE((row.key ? key.Append(fmt::format("key number {}", *row.key)) : key.AppendNull()).ok());
    EXPECT_TRUE(number.Append(row.value).ok() && time.Append(row.time_ms).ok() && kind.Append(static_cast<std::uint8_t>(row.kind)).ok());
  }
  arrow::FieldVector fields = ModelSchema(value)->fields();
  arrow::ArrayVector arrays = {key.Finish().ValueOrDie(), number.Finish().ValueOrDie()};
  if (times) {
    fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false));
    arrays.push_back(time.Finish().ValueOrDie());
  }
  if (kinds) {
    fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), false));
    arrays.push_back(kind.Finish().ValueOrDie());
  }
  return columnar::DataBatch(arrow::RecordBatch::Make(arrow::schema(fields), static_cast<std::int64_t>(rows.size()), std::move(arrays)));
}

/// Cuts rows into batches of random lengths.
inline std::vector<std::vector<ModelRow>> Cut(const std::vector<ModelRow>& rows, std::mt19937_64* random) {
  std::vector<std::vector<ModelRow>> cut;
  for (std::size_t at = 0; at < rows.size();) {
    const std::size_t count = std::min<std::size_t>(rows.size() - at, 1 + (*random)() % 9);
    cut.emplace_back(rows.begin() + static_cast<std::ptrdiff_t>(at), rows.begin() + static_cast<std::ptrdiff_t>(at + count));
    at += count;
  }
  return cut;
}

/// Folds what an operator emits: rows as text, with how often each holds. Rows of append streams count once each.
class FoldedRows final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    const auto& records = *batch.records();
    EXPECT_TRUE(records.ValidateFull().ok());
    const int shown = batch.event_time_column() >= 0 ? batch.event_time_column()
                      : batch.row_kind_column() >= 0 ? batch.row_kind_column()
                                                     : records.num_columns();
    for (std::int64_t i = 0; i < records.num_rows(); ++i) {
      std::string row;
      for (int c = 0; c < shown; ++c) row += (c > 0 ? "|" : "") + records.column(c)->GetScalar(i).ValueOrDie()->ToString();
      const std::uint8_t kind =
          batch.row_kind_column() < 0 ? 0 : static_cast<const arrow::UInt8Array&>(*records.column(batch.row_kind_column())).Value(i);
      const int now = held_[row] += columnar::TakesBack(kind) ? -1 : 1;
      EXPECT_GE(now, 0) << "taken back before it came: " << row;
      if (batch.event_time_column() < 0) continue;
      const std::int64_t time_ms = static_cast<const arrow::Int64Array&>(*records.column(batch.event_time_column())).Value(i);
      EXPECT_GT(time_ms, watermark_ms_) << "behind the watermark: " << row;
    }
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark watermark) override {
    watermark_ms_ = watermark.event_time_ms;
    return Status::OK();
  }
  /// The rows that hold, each as often as it does.
  std::map<std::string, int> rows() const {
    std::map<std::string, int> held;
    for (const auto& [row, times] : held_)
      if (times != 0) held[row] = times;
    return held;
  }
  /// What the operator lets pass has been emitted.
  void Pass(std::int64_t watermark_ms) { watermark_ms_ = watermark_ms; }

 private:
  std::map<std::string, int> held_;
  std::int64_t watermark_ms_ = std::numeric_limits<std::int64_t>::min();
};

inline std::string KeyText(const std::optional<std::int64_t>& key) { return key ? fmt::format("key number {}", *key) : "null"; }

}  // namespace headrace::data::join
