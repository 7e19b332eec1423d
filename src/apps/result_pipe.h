#pragma once
#include <cstdint>
#include <mutex>
#include <string>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::apps {

/// Writes the rows of collection sinks to a descriptor: frames of u32 little-endian length and the value-encoded tuple
/// (sink uid, [rows]). Write() may be called by any task loop and waits for the reader: a slow reader holds the job back.
/// A reader that is gone ends the writing: nobody waits for the rest. Errors: kBadOption for a row that cannot be handed over, with what is
/// wrong and the row's number in its batch; IOError for a descriptor that takes no bytes.
class ResultPipe {
 public:
  explicit ResultPipe(int fd) : fd_(fd) {}
  /// False: it failed, now or before.
  bool Write(const std::string& uid, const columnar::DataBatch& batch);
  /// Why the first Write() that failed did; nothing is written behind it.
  Status failure();
  void Close();

 private:
  Status WriteRows(const std::string& uid, const columnar::DataBatch& batch);
  Status WriteFrame(const std::string& uid, std::uint64_t rows, const std::string& encoded);
  std::mutex mutex_;  // guards what follows
  int fd_;
  Status failure_;
};

}  // namespace headrace::apps
