#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::connector {

/// The part files of one sink subtask: at most one open, hidden until it is published under the next free name. One thread.
class PartFiles {
 public:
  PartFiles(std::string folder, std::uint32_t subtask, std::string owner, std::string extension = {});
  /// A name for the operator of a job: two of them may write to one folder.
  static std::string OwnerOf(std::string_view job_id, std::string_view operator_uid);
  PartFiles(const PartFiles&) = delete;
  PartFiles& operator=(const PartFiles&) = delete;
  ~PartFiles();  ///< an open file is left hidden, and removed by the next run of the same owner
  /// Makes the folder and removes hidden files that an earlier run of this owner and subtask left behind.
  Status Prepare();
  Status Write(std::string_view text);
  std::int64_t open_bytes() const { return open_bytes_; }
  /// Makes what was written durable and visible. Nothing when no file is open.
  Status Publish();

 private:
  std::string HiddenPrefix() const;
  Status Failed(const std::string& path, int error) const;

  const std::string folder_;
  const std::uint32_t subtask_;
  const std::string owner_, extension_;
  int file_ = -1;
  std::string hidden_path_;
  std::int64_t open_bytes_ = 0;
  std::uint64_t next_number_ = 0;
};

}  // namespace headrace::data::connector
