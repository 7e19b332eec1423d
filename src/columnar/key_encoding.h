#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::columnar {

/// Key encoding of docs/formats/value.md §2 for natively known values.
void AppendKeyInt(std::int64_t value, std::string* out);
void AppendKeyFloat(double value, std::string* out);
void AppendKeyBool(bool value, std::string* out);
void AppendKeyString(std::string_view utf8, std::string* out);
void AppendKeyBytes(std::string_view bytes, std::string* out);
void AppendKeyNone(std::string* out);

/// Encodes a whole native column (large_utf8, utf8, int64, float64, bool, large_binary; nulls become None) into a key column.
/// Invalid for other types. One pass, no per-row allocation.
Result<std::shared_ptr<arrow::LargeBinaryArray>> EncodeKeyColumn(const arrow::Array& column);
/// Hashes every row of a key column.
Result<std::shared_ptr<arrow::UInt64Array>> HashKeyColumn(const arrow::LargeBinaryArray& keys);

}  // namespace headrace::columnar
