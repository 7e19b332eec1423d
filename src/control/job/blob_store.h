#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/ids.h"

namespace headrace::control::job {

/// Content that TaskManagers fetch by its sha256: archives of the running jobs. Kept in memory; the stored job file is the
/// durable copy. Owned by the control plane. Thread-safe, so that large answers do not queue behind decisions.
class BlobStore {
 public:
  /// One more user of the content; its hash was checked when the job file was read.
  void Add(const BlobId& id, std::string content);
  /// One user less; the last one takes the content along.
  void Remove(const BlobId& id);
  /// nullptr when there is none.
  std::shared_ptr<const std::string> Find(const BlobId& id) const;

 private:
  struct Blob {
    std::shared_ptr<const std::string> content;
    std::size_t users = 0;
  };
  mutable std::mutex mutex_;
  std::map<BlobId, Blob> blobs_;
};

}  // namespace headrace::control::job
