#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/status.h"
#include "data/connector/source.h"

namespace headrace::data::connector {

/// What a source does with a record that it cannot decode: fail the task, or skip, count and sample it. One reading thread.
class BadRecordPolicy {
 public:
  BadRecordPolicy(bool skip, const ConnectorContext& context);
  /// `where` names the record ("topic lines, partition 3, offset 17"). OK: go on without it; kBadRecord: the task fails,
  /// which names the source.
  Status Handle(const std::string& where, const std::string& why, std::string_view bytes);

 private:
  bool skip_;
  const ConnectorContext* context_;
  std::shared_ptr<Counter> skipped_;
};

/// Printable form of at most 120 bytes of a record, for messages and samples.
std::string SampleOf(std::string_view bytes);

}  // namespace headrace::data::connector
