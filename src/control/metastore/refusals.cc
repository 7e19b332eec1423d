#include "control/metastore/refusals.h"

#include <arrow/util/utf8.h>
#include <fmt/format.h>

namespace headrace::control::metastore {
namespace {

constexpr std::size_t kMaxKeyBytes = 1024;  // b-tree entries of PostgreSQL end at a third of a page

Status CheckText(std::string_view what, std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Error(ErrorCode::kBadRequest, fmt::format("The {} has {} bytes; at most {} are kept.", what, text.size(), max_bytes));
  }
  if (text.find('\0') != std::string_view::npos) return Error(ErrorCode::kBadRequest, fmt::format("The {} holds a NUL byte.", what));
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(text)) return Error(ErrorCode::kBadRequest, fmt::format("The {} is not valid UTF-8.", what));
  return Status::OK();
}

constexpr std::size_t kNoCap = static_cast<std::size_t>(-1);

}  // namespace

Status Deposed(const LeaderGrant& grant) {
  return Error(ErrorCode::kDeposed, fmt::format("Leader epoch {} of {} is over; nothing was written.", grant.epoch, grant.holder.str()));
}
Status EpochMoved(LeaderEpoch expected) {
  return Error(ErrorCode::kDeposed, fmt::format("Leader epoch {} is over; another JobManager took the next one.", expected));
}
Status UnknownJob(const JobId& id) {
  return Error(ErrorCode::kNotFound, fmt::format("There is no job {} in the metadata store.", id.str()));
}
Status JobHasEnded(const JobId& id) { return Error(ErrorCode::kConflict, fmt::format("Job {} has ended and never runs again.", id.str())); }
Status OtherContent(const JobId& id) {
  return Error(ErrorCode::kConflict, fmt::format("Job id {} is in use by a job with other content.", id.str()));
}
Status KeyTaken(std::string_view idempotency_key) {
  return Error(ErrorCode::kConflict, fmt::format("Idempotency key '{}' was used by an earlier job.", idempotency_key));
}
Status Stopped() { return Error(ErrorCode::kNotReady, "The metadata store is being closed."); }
Status NewerSchema(int found, int known) {
  return Error(ErrorCode::kStoreCorrupt,
               fmt::format("The metadata store has schema version {}, this version of Headrace knows {} at most.", found, known),
               "Start the newer version of Headrace that wrote it, or restore the metadata from a backup.");
}

Status CheckTexts(const JobRecord& job) {
  HR_RETURN_NOT_OK(CheckText("job id", job.id.str(), kMaxKeyBytes));
  HR_RETURN_NOT_OK(CheckText("job name", job.name, kNoCap));
  return CheckText("idempotency key", job.idempotency_key, kMaxKeyBytes);
}
Status CheckTexts(const JobResult& result) {
  HR_RETURN_NOT_OK(CheckText("job id", result.id.str(), kMaxKeyBytes));
  HR_RETURN_NOT_OK(CheckText("job state", result.state, kMaxKeyBytes));
  return CheckText("failure", result.failure_json, kNoCap);
}
Status CheckTexts(const SplitRecord& split) {
  HR_RETURN_NOT_OK(CheckText("source uid", split.source.str(), kMaxKeyBytes));
  return CheckText("split id", split.split_id, kMaxKeyBytes);
}

}  // namespace headrace::control::metastore
