#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace google::protobuf {
class Descriptor;
class FileDescriptor;
}  // namespace google::protobuf

namespace headrace::data::format {

/// The messages of one .proto file, parsed at run time. Immutable; any thread.
class ProtobufSchema {
 public:
  /// `imports`: the files that `proto` imports, each before those that import it; google/protobuf/*.proto are known. Invalid, with the
  /// line, for text that is none, and over 1 MiB in all.
  static Result<std::shared_ptr<const ProtobufSchema>> Parse(std::string_view proto,
                                                             const std::vector<std::pair<std::string, std::string>>& imports);
  ~ProtobufSchema();
  /// The message at a path of indexes: the file's messages, then those nested inside. Null when there is none.
  const google::protobuf::Descriptor* MessageAt(const std::vector<int>& path) const;
  /// By its full name, or its name alone; null when there is none.
  const google::protobuf::Descriptor* MessageNamed(const std::string& name) const;

 private:
  ProtobufSchema();
  struct Pool;
  std::unique_ptr<Pool> pool_;
  const google::protobuf::FileDescriptor* file_ = nullptr;
};

}  // namespace headrace::data::format
