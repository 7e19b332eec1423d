#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::columnar {

/// Arrow IPC of one batch: metadata and body as buffers that share the batch's memory where possible (no copy for aligned buffers).
struct EncodedBatch {
  std::shared_ptr<arrow::Buffer> metadata;
  std::vector<std::shared_ptr<arrow::Buffer>> body;  ///< in order, each padded to 8 bytes by the writer
  std::int64_t body_bytes = 0;                       ///< with padding
};
Result<EncodedBatch> EncodeBatch(const DataBatch& batch);
Result<std::shared_ptr<arrow::Buffer>> EncodeSchema(const arrow::Schema& schema);
Result<std::shared_ptr<arrow::Schema>> DecodeSchema(std::shared_ptr<arrow::Buffer> bytes);
/// Zero-copy over `body`. Validates offsets fully: bytes come from the network.
Result<DataBatch> DecodeBatch(const std::shared_ptr<arrow::Schema>& schema, std::shared_ptr<arrow::Buffer> metadata,
                              std::shared_ptr<arrow::Buffer> body);

}  // namespace headrace::columnar
