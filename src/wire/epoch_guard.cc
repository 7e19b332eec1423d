#include "wire/epoch_guard.h"

#include <fmt/format.h>

namespace headrace::wire {

Status EpochGuard::Admit(const LeaderToken& caller) {
  if (caller.epoch == 0 || caller.holder.empty()) return Error(ErrorCode::kDeposed, "a call without leader epoch and holder is refused");
  if (caller.epoch < highest_.epoch)
    return Error(ErrorCode::kDeposed, fmt::format("leader epoch {} is refused; epoch {} is known", caller.epoch, highest_.epoch));
  if (caller.epoch == highest_.epoch && caller.holder != highest_.holder) {
    return Error(ErrorCode::kDeposed,
                 fmt::format("leader epoch {} belongs to {}, not to {}", caller.epoch, highest_.holder.str(), caller.holder.str()));
  }
  highest_ = caller;
  return Status::OK();
}

}  // namespace headrace::wire
