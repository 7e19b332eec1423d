#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace headrace::data::python {

/// What is known of a function that failed; travels in the Status of its trip. Immutable, shared between threads.
class FunctionError final : public ErrorDetail {
 public:
  struct Frame {
    std::string traceback;  ///< user frames, as Python prints them; empty when the worker died
    std::string file;
    std::uint32_t line = 0;
    std::string uid, name;  ///< of the operator
  };
  FunctionError(ErrorCode code, Frame frame) : ErrorDetail(code, {}), frame_(std::move(frame)) {}
  const Frame& frame() const { return frame_; }
  /// "file:line", or empty.
  std::string location() const { return frame_.file.empty() ? std::string() : frame_.file + ":" + std::to_string(frame_.line); }
  /// The detail of `status` when it is one of a function, else nullptr.
  static const FunctionError* Of(const Status& status);

 private:
  Frame frame_;
};

Status FunctionFailure(ErrorCode code, std::string message, FunctionError::Frame frame);

/// Reads the body of a FAILED datagram into a kPythonRaised status. A body that cannot be read is such an error too.
Status DecodeWorkerError(std::string_view body, std::string_view stage_names);

}  // namespace headrace::data::python
