#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "data/taskmanager/callback_gate.h"
#include "plan/deployment.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

/// The unpacked archives of one job below `<work dir>/jobs/<job id>/<sha256>`, each fetched and unpacked once. Owned by the
/// job's entry, used on the control executor; unpacking runs on the blocking executor.
class JobFiles {
 public:
  /// sys_path for the workers, python_path archives first.
  using Ready = std::function<void(Result<std::vector<std::string>>)>;
  using Fetch = std::function<void(BlobId, wire::Reply<std::string>)>;
  JobFiles(JobId job, std::string work_dir, std::shared_ptr<CallbackGate> gate, Executor* blocking, Fetch fetch);
  /// Answers on the control executor, maybe at once.
  void Prepare(const std::vector<plan::ArchiveRef>& archives, Ready ready);
  /// Deletes the files, on the blocking executor. Nothing of the job may run any more.
  void Remove();

 private:
  struct Request;
  std::string PathOf(const BlobId& id) const;
  void Continue(const std::shared_ptr<Request>& request);
  void Unpack(const std::shared_ptr<Request>& request, const BlobId& id, std::string content);

  JobId job_;
  std::string folder_;
  std::shared_ptr<CallbackGate> gate_;
  Executor* blocking_;
  Fetch fetch_;
  std::map<BlobId, bool> unpacked_;
};

}  // namespace headrace::data::taskmanager
