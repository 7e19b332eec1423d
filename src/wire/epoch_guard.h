#pragma once
#include "base/status.h"
#include "wire/gateways.h"

namespace headrace::wire {

/// Remembers the highest leader that a receiver has heard of and refuses everybody else: a lower epoch, and the same epoch
/// with another holder. A value; its owner's thread only.
class EpochGuard {
 public:
  /// OK when `caller` is the highest known or higher, which is then remembered; kDeposed otherwise, and for an empty token.
  Status Admit(const LeaderToken& caller);
  /// Epoch 0 until somebody was admitted.
  const LeaderToken& highest() const { return highest_; }

 private:
  LeaderToken highest_;
};

}  // namespace headrace::wire
