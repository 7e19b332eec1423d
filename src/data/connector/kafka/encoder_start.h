#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/waker.h"
#include "data/format/record_encoder.h"

namespace headrace::data::connector {

/// Makes a sink's encoder on a side thread, because a schema registry is asked for it; one that does not answer is asked again, and
/// the reason is shown meanwhile. Owned by the sink's writer and used on the task's thread; RequestStop() does not block, the destructor
/// waits for a question that is under way.
class EncoderStart {
 public:
  EncoderStart(format::RecordEncoderOptions options, Waker* waker, std::function<void(std::string)> on_waiting);
  ~EncoderStart();
  /// Null while it is made; then once the encoder, or why there is none. Wakes the task before.
  Result<std::unique_ptr<format::RecordEncoder>> Take();
  void RequestStop();

 private:
  void Run();
  const format::RecordEncoderOptions options_;
  Waker* const waker_;
  const std::function<void(std::string)> on_waiting_;
  std::mutex mutex_;
  std::condition_variable stop_wanted_;
  bool stopped_ = false;
  Result<std::unique_ptr<format::RecordEncoder>> made_;
  std::thread thread_;
};

}  // namespace headrace::data::connector
