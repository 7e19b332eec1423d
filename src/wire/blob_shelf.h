#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/ids.h"

namespace headrace::wire {

/// Large messages that wait to be fetched by TaskManagers, by sha256. One per JobManager process, shared by its clients (which
/// lay plans down while a call that needs them is under way) and its server (which hands them out). Any thread.
class BlobShelf : public std::enable_shared_from_this<BlobShelf> {
 public:
  using Content = std::shared_ptr<const std::string>;
  /// Keeps `content` until the returned handle and all others of the same id are gone.
  std::shared_ptr<void> Keep(const BlobId& id, Content content);
  /// Null when nobody keeps it.
  Content Find(const BlobId& id) const;
  std::size_t size() const;

 private:
  void Release(const BlobId& id);

  mutable std::mutex mutex_;
  std::map<BlobId, std::pair<Content, int>> kept_;  ///< guarded by mutex_; with the number of handles
};

}  // namespace headrace::wire
