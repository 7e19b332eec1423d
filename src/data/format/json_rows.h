#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace headrace::data::format {

/// Decodes JSON documents, one object a row, straight into typed columns. Fields that the schema does not name are stepped over, so a
/// schema with fewer columns costs less.
/// Shape:   out the schema's columns. Absent fields and null are null. Numbers go into integer columns when they are whole and fit
///          ("5", "5.0", "5" in quotes), into decimals when all their digits fit. Timestamps are ms since 1970, or ISO 8601 text; text
///          without a zone is UTC. Durations are ms, dates text or days since 1970, binary is base64. Of a field given twice the last
///          counts.
/// Errors:  Invalid with the column, the value and why: not JSON in UTF-8, no object, a value that does not fit its column, null where
///          there may be none, larger than 64 MiB. A refused row leaves nothing behind.
/// Thread:  its owner's. Owns parse buffers that it reuses; no allocation per row.
class JsonRowDecoder {
 public:
  static constexpr std::size_t kMaxDocumentBytes = 64u << 20;

  /// NotImplemented for column types that rows do not have.
  static Result<std::unique_ptr<JsonRowDecoder>> Make(const std::shared_ptr<arrow::Schema>& schema);
  ~JsonRowDecoder();
  Status Append(std::string_view document);
  std::int64_t num_rows() const;
  /// Bytes of the columns so far.
  std::int64_t size_bytes() const;
  /// The rows since the last Finish().
  Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  JsonRowDecoder();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
