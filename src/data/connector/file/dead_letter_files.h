#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "data/connector/file/part_files.h"
#include "data/connector/source.h"

namespace headrace::data::connector {

/// Where a file source puts the records that it cannot decode: JSON objects, a line each, in files part-<subtask>-<n>.jsonl of a folder,
/// with where the record stood (file, offset), why it was refused (error), its bytes (record, or record_base64 when they are not UTF-8) and
/// job and operator. At least once: a restarted job writes records again. One thread, the source's reading one.
class DeadLetterFiles {
 public:
  DeadLetterFiles(const std::string& folder, const ConnectorContext& context);
  /// `record` is null when the bytes are not known as a whole.
  Status Write(std::string_view file, std::int64_t offset, std::string_view why, const std::string_view* record);
  /// Makes what was written durable and visible; `all` false: only when it is old or much. Before the source's position moves on for good.
  Status Publish(bool all);

 private:
  const std::string job_, operator_name_;
  PartFiles files_;
  bool prepared_ = false;
  std::chrono::steady_clock::time_point first_;
  std::string line_;
};

}  // namespace headrace::data::connector
