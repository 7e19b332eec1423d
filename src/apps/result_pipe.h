#pragma once
#include <mutex>
#include <string>

#include "columnar/data_batch.h"

namespace headrace::apps {

/// Writes the rows of collection sinks to a descriptor: frames of u32 little-endian length and the value-encoded tuple
/// (sink uid, [rows]). Write() may be called by any task loop and waits for the reader: a slow reader holds the job back.
/// A reader that is gone ends the writing.
class ResultPipe {
 public:
  explicit ResultPipe(int fd) : fd_(fd) {}
  void Write(const std::string& uid, const columnar::DataBatch& batch);
  void Close();

 private:
  std::mutex mutex_;
  int fd_;
};

}  // namespace headrace::apps
