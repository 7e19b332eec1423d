#include "wire/blob_shelf.h"

namespace headrace::wire {

std::shared_ptr<void> BlobShelf::Keep(const BlobId& id, Content content) {
  {
    std::lock_guard lock(mutex_);
    auto& entry = kept_[id];
    if (entry.first == nullptr) entry.first = std::move(content);
    ++entry.second;
  }
  return {nullptr, [shelf = shared_from_this(), id](void*) { shelf->Release(id); }};
}

BlobShelf::Content BlobShelf::Find(const BlobId& id) const {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(id);
  return found == kept_.end() ? nullptr : found->second.first;
}

std::size_t BlobShelf::size() const {
  std::lock_guard lock(mutex_);
  return kept_.size();
}

void BlobShelf::Release(const BlobId& id) {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(id);
  if (found != kept_.end() && --found->second.second == 0) kept_.erase(found);
}

}  // namespace headrace::wire
