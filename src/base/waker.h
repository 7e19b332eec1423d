#pragma once

namespace headrace {

/// Tells a task that it may have something to do. Wake() may be called from any thread, never blocks, and is cheap when
/// the task is already awake. Outlives everything that holds it.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake() = 0;
};

}  // namespace headrace
