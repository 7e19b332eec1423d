#pragma once
#include <string>

namespace headrace::plan {

/// A part of a source that one subtask reads: a partition, a file, a range of numbers. `payload` is JSON whose fields
/// the connector defines (start and stop positions included).
struct SourceSplit {
  std::string id;  ///< unique within its source, stable over restarts, e.g. "lines-3"
  std::string payload;
  bool operator==(const SourceSplit&) const = default;
};

}  // namespace headrace::plan
