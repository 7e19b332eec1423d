#include "data/connector/bad_record.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace headrace::data::connector {

std::string SampleOf(std::string_view bytes) {
  constexpr std::size_t kMaxBytes = 120;
  const std::string_view head = bytes.substr(0, kMaxBytes);
  std::string text;
  std::size_t at = 0;
  while (at < head.size()) {
    const std::string_view rest = head.substr(at);
    std::size_t good = FindInvalidUtf8(rest);
    if (good == std::string_view::npos) good = rest.size();
    for (const char c : rest.substr(0, good)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7F)
        text += fmt::format("\\x{:02x}", byte);
      else
        text += c;
    }
    at += good;
    if (at < head.size()) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(head[at++]));
  }
  if (bytes.size() > kMaxBytes) text += fmt::format("… ({} bytes)", bytes.size());
  return text;
}

BadRecordPolicy::BadRecordPolicy(bool skip, const ConnectorContext& context) : skip_(skip), context_(&context) {
  if (context.metrics != nullptr) {
    skipped_ =
        context.metrics->GetCounter("headrace_bad_records_total", "Records that a source could not decode and skipped.", context.labels);
  }
}

Status BadRecordPolicy::Handle(const std::string& where, const std::string& why, std::string_view bytes) {
  const std::string sample = SampleOf(bytes);
  if (!skip_) return Error(ErrorCode::kBadRecord, fmt::format("{}: {}: {}", where, why, sample));
  if (skipped_ != nullptr) skipped_->Add();
  if (context_->on_bad_record) context_->on_bad_record(where, why, sample);
  return Status::OK();
}

}  // namespace headrace::data::connector
