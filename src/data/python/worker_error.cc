#include "data/python/worker_error.h"

#include <fmt/format.h>

#include "columnar/value_encoding.h"

namespace headrace::data::python {

namespace {

constexpr std::size_t kMaxText = 16u << 10;

std::string TextOf(const columnar::Value& error, std::string_view key, std::size_t limit = kMaxText) {
  const columnar::Value* value = error.Find(key);
  if (value == nullptr || value->tag != columnar::ValueTag::kString) return {};
  return value->text.size() <= limit ? value->text : value->text.substr(0, limit) + "…";
}

}  // namespace

const FunctionError* FunctionError::Of(const Status& status) { return dynamic_cast<const FunctionError*>(status.detail().get()); }

Status FunctionFailure(ErrorCode code, std::string message, FunctionError::Frame frame) {
  return Status(arrow::StatusCode::ExecutionError, std::move(message), std::make_shared<FunctionError>(code, std::move(frame)));
}

Status DecodeWorkerError(std::string_view body, std::string_view stage_names) {
  auto decoded = columnar::DecodeValue(body);
  FunctionError::Frame frame;
  if (!decoded.ok() || decoded->tag != columnar::ValueTag::kDict) {
    return FunctionFailure(ErrorCode::kPythonRaised, fmt::format("{} failed, and its worker could not say why", stage_names),
                           std::move(frame));
  }
  frame.traceback = TextOf(*decoded, "traceback");
  frame.file = TextOf(*decoded, "file", 4096);
  const columnar::Value* line = decoded->Find("line");
  if (line != nullptr && line->tag == columnar::ValueTag::kInt && line->integer > 0) frame.line = static_cast<std::uint32_t>(line->integer);
  frame.uid = TextOf(*decoded, "uid", 1024);
  frame.name = TextOf(*decoded, "name", 1024);
  std::string message = TextOf(*decoded, "type", 256);
  const std::string text = TextOf(*decoded, "message", 1024);
  if (message.empty()) message = "error";
  if (!text.empty()) message += ": " + text;
  const std::string row = TextOf(*decoded, "row", 256);
  if (!row.empty()) message += fmt::format(" (row: {})", row);
  const std::string location = frame.file.empty() ? std::string() : fmt::format(" at {}:{}", frame.file, frame.line);
  return FunctionFailure(ErrorCode::kPythonRaised,
                         fmt::format("{} raised {}{}", frame.name.empty() ? std::string(stage_names) : frame.name, message, location),
                         std::move(frame));
}

}  // namespace headrace::data::python
