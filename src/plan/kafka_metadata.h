#pragma once
#include <arrow/type_fwd.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::plan {

/// A column that a Kafka source fills from the record itself instead of its value.
struct MetadataColumn {
  enum class What { kTopic, kPartition, kOffset, kTimestamp, kKey, kHeaders };
  std::string column;
  What what = What::kOffset;
};

/// The option `metadata` of a Kafka source, a JSON object from column to what it holds: topic, partition, offset, timestamp, key, headers.
/// Empty for "". Invalid when it is none.
Result<std::vector<MetadataColumn>> MetadataColumns(std::string_view json);

/// May a column of this type hold it? Invalid with the types that it takes.
Status CheckMetadataType(const MetadataColumn& metadata, const arrow::DataType& type);

}  // namespace headrace::plan
