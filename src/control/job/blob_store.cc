#include "control/job/blob_store.h"

#include <utility>

namespace headrace::control::job {

void BlobStore::Add(const BlobId& id, std::string content) {
  std::lock_guard lock(mutex_);
  Blob& blob = blobs_[id];
  if (blob.content == nullptr) blob.content = std::make_shared<const std::string>(std::move(content));
  ++blob.users;
}

void BlobStore::Remove(const BlobId& id) {
  std::lock_guard lock(mutex_);
  const auto found = blobs_.find(id);
  if (found != blobs_.end() && --found->second.users == 0) blobs_.erase(found);
}

std::shared_ptr<const std::string> BlobStore::Find(const BlobId& id) const {
  std::lock_guard lock(mutex_);
  const auto found = blobs_.find(id);
  return found == blobs_.end() ? nullptr : found->second.content;
}

}  // namespace headrace::control::job
