#include "data/taskmanager/job_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "data/taskmanager/archive.h"
#include "wire/sha256.h"

namespace headrace::data::taskmanager {

namespace {

/// Into a private folder first, so that a folder with its final name is complete.
Status UnpackInto(const std::string& path, const BlobId& id, const std::string& content) {
  if (wire::BlobIdOf(content) != id)
    return Error(ErrorCode::kDeployFailed, fmt::format("archive {} arrived with other bytes than its sha256 says", id.str()));
  std::error_code error;
  const std::string part = path + ".part";
  std::filesystem::remove_all(part, error);
  std::filesystem::create_directories(part, error);
  if (error)
    return Error(ErrorCode::kDeployFailed, fmt::format("cannot make {}: {}", part, error.message()),
                 "Check the TaskManager's work directory.");
  HR_RETURN_NOT_OK(UnpackArchive(content, part));
  std::filesystem::remove_all(path, error);
  std::filesystem::rename(part, path, error);
  if (error)
    return Error(ErrorCode::kDeployFailed, fmt::format("cannot make {}: {}", path, error.message()),
                 "Check the TaskManager's work directory.");
  return Status::OK();
}

}  // namespace

struct JobFiles::Request {
  std::vector<plan::ArchiveRef> archives;
  std::size_t next = 0;
  Ready ready;
};

JobFiles::JobFiles(JobId job, std::string work_dir, std::shared_ptr<CallbackGate> gate, Executor* blocking, Fetch fetch)
    : job_(std::move(job)),
      folder_(work_dir + "/jobs/" + job_.str()),
      gate_(std::move(gate)),
      blocking_(blocking),
      fetch_(std::move(fetch)) {}

std::string JobFiles::PathOf(const BlobId& id) const { return folder_ + "/" + id.str(); }

void JobFiles::Prepare(const std::vector<plan::ArchiveRef>& archives, Ready ready) {
  auto request = std::make_shared<Request>();
  request->archives = archives;
  request->ready = std::move(ready);
  Continue(request);
}

void JobFiles::Continue(const std::shared_ptr<Request>& request) {
  while (request->next < request->archives.size() && unpacked_.contains(request->archives[request->next].sha256)) ++request->next;
  if (request->next == request->archives.size()) {
    std::vector<std::string> paths;
    for (const bool python : {true, false}) {
      for (const auto& archive : request->archives) {
        if (archive.python_path == python) paths.push_back(PathOf(archive.sha256));
      }
    }
    return request->ready(std::move(paths));
  }
  const BlobId id = request->archives[request->next].sha256;
  if (wire::RawOf(id).empty()) return request->ready(Error(ErrorCode::kDeployFailed, "an archive without a sha256"));
  fetch_(id, [this, gate = gate_, request, id](Outcome<std::string> outcome) {
    gate->Post([this, request, id, outcome = std::make_shared<Outcome<std::string>>(std::move(outcome))] {
      if (!outcome->done()) return request->ready(WithContext(outcome->reason(), fmt::format("fetching archive {}", id.str())));
      Unpack(request, id, outcome->TakeValue());
    });
  });
}

void JobFiles::Unpack(const std::shared_ptr<Request>& request, const BlobId& id, std::string content) {
  blocking_->Post([this, gate = gate_, request, id, path = PathOf(id), content = std::move(content)] {
    const Status status = UnpackInto(path, id, content);
    gate->Post([this, request, id, status] {
      if (!status.ok()) return request->ready(status);
      unpacked_[id] = true;
      Continue(request);
    });
  });
}

void JobFiles::Remove() {
  unpacked_.clear();
  blocking_->Post([folder = folder_] {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  });
}

}  // namespace headrace::data::taskmanager
