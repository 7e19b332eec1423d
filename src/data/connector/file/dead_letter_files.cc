#include "data/connector/file/dead_letter_files.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "columnar/key_group.h"
#include "columnar/row_hash.h"
#include "columnar/value_text.h"

namespace headrace::data::connector {
namespace {

constexpr std::int64_t kRollBytes = 64 << 20;
constexpr std::chrono::seconds kRollAfter{10};
constexpr std::size_t kMaxWhyBytes = 1000;

void AppendMember(std::string_view name, std::string_view text, std::string* out) {
  out->push_back(out->empty() ? '{' : ',');
  columnar::AppendJsonString(name, out);
  out->push_back(':');
  columnar::AppendJsonString(text, out);
}

}  // namespace

DeadLetterFiles::DeadLetterFiles(const std::string& folder, const ConnectorContext& context)
    : job_(context.job_name),
      operator_name_(context.operator_name),
      files_(folder, context.subtask, PartFiles::OwnerOf(context.job_id, context.operator_uid), ".jsonl") {}

Status DeadLetterFiles::Write(std::string_view file, std::int64_t offset, std::string_view why, const std::string_view* record) {
  if (!prepared_) HR_RETURN_NOT_OK(files_.Prepare());
  prepared_ = true;
  if (files_.open_bytes() == 0) first_ = std::chrono::steady_clock::now();
  line_.clear();
  AppendMember("file", file, &line_);
  line_ += fmt::format(",\"offset\":{}", offset);
  AppendMember("error", why.substr(0, kMaxWhyBytes), &line_);
  if (record != nullptr && IsUtf8(*record)) {
    AppendMember("record", *record, &line_);
  } else if (record != nullptr) {
    line_ += ",\"record_base64\":\"";
    columnar::AppendBase64(*record, &line_);
    line_ += '"';
  }
  AppendMember("job", job_, &line_);
  AppendMember("operator", operator_name_, &line_);
  line_ += "}\n";
  return files_.Write(line_);
}

Status DeadLetterFiles::Publish(bool all) {
  if (files_.open_bytes() == 0) return Status::OK();
  if (!all && files_.open_bytes() < kRollBytes && std::chrono::steady_clock::now() - first_ < kRollAfter) return Status::OK();
  return files_.Publish();
}

}  // namespace headrace::data::connector
