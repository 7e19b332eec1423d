#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::columnar {

/// Physical form of an untyped `value` column; numbers are those of the worker protocol (docs/formats/worker.md).
enum class ValueForm : std::uint32_t { kEncoded = 0, kUtf8 = 1, kInt64 = 2, kFloat64 = 3, kBool = 4, kRawBytes = 5 };

/// Which form a field has. Invalid when it is none of them.
Result<ValueForm> FormOf(const arrow::Field& field);
/// The field named `value` of a form, with its extension metadata.
std::shared_ptr<arrow::Field> ValueField(ValueForm form);
std::shared_ptr<arrow::Field> KeyField();
/// A batch with one value column, and a key column when `keys` is given.
Result<DataBatch> MakeValueBatch(ValueForm form, std::shared_ptr<arrow::Array> values, std::shared_ptr<arrow::Array> keys = nullptr);

/// Appends rows of one form and closes them into batches. Reused between batches; owner thread only.
class ValueBatchBuilder {
 public:
  explicit ValueBatchBuilder(ValueForm form);
  ~ValueBatchBuilder();
  Status AppendBytes(std::string_view bytes);  ///< kUtf8, kRawBytes, kEncoded (bytes already encoded)
  Status AppendInt(std::int64_t value);
  Status AppendFloat(double value);
  Status AppendBool(bool value);
  std::int64_t num_rows() const;
  std::int64_t size_bytes() const;
  Result<DataBatch> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Renders rows for sinks and print. `row` in [0, num_rows).
/// Typed rows show as dicts of their columns. AppendRowText: a str is its UTF-8 bytes, bytes as they are, everything else JSON (KafkaSink's
/// default format).
class ValueRowReader {
 public:
  static Result<ValueRowReader> Make(const DataBatch& batch);
  Status AppendRowText(std::int64_t row, std::string* out) const;
  Status AppendRowJson(std::int64_t row, std::string* out) const;
  /// The row in value encoding, whatever the column's form.
  Status AppendRowEncoded(std::int64_t row, std::string* out) const;
  std::string RowRepr(std::int64_t row, std::size_t max_chars = 200) const;

 private:
  bool typed() const { return column_ == nullptr; }
  DataBatch batch_;
  ValueForm form_ = ValueForm::kEncoded;
  const void* column_ = nullptr;
};

}  // namespace headrace::columnar
