#include "wire/grpc/open_calls.h"

#include <utility>
#include <vector>

namespace headrace::wire {

OpenCall::~OpenCall() {
  calls_->Forget(this);
  Abort();
}

std::shared_ptr<OpenCall> OpenCalls::Open(std::function<void()> abort) {
  auto call = std::make_shared<OpenCall>(shared_from_this(), std::move(abort));
  {
    std::lock_guard lock(mutex_);
    if (!closed_) {
      open_.emplace(call.get(), call);
      return call;
    }
  }
  call->Abort();
  return nullptr;
}

void OpenCalls::Close() {
  std::vector<std::shared_ptr<OpenCall>> open;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [raw, weak] : open_) {
      if (auto call = weak.lock()) open.push_back(std::move(call));
    }
  }
  for (const auto& call : open) call->Abort();
}

void OpenCalls::Forget(OpenCall* call) {
  std::lock_guard lock(mutex_);
  open_.erase(call);
}

}  // namespace headrace::wire
