#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace headrace::wire {

class OpenCalls;

/// One call that a server has taken and not answered yet. Exactly one answer goes out: the handler's, or the abort when the
/// server stops or the handler drops its reply. Shared by the reply and its copies. Any thread.
class OpenCall {
 public:
  OpenCall(std::shared_ptr<OpenCalls> calls, std::function<void()> abort) : calls_(std::move(calls)), abort_(std::move(abort)) {}
  ~OpenCall();
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;
  /// True for the first who asks: the answer is theirs to give.
  bool Claim() { return !claimed_.exchange(true); }
  void Abort() {
    if (Claim()) abort_();
  }

 private:
  std::shared_ptr<OpenCalls> calls_;
  std::function<void()> abort_;
  std::atomic<bool> claimed_{false};
};

/// The open calls of one server. Any thread.
class OpenCalls : public std::enable_shared_from_this<OpenCalls> {
 public:
  /// Null after Close(), when `abort` has been called.
  std::shared_ptr<OpenCall> Open(std::function<void()> abort);
  /// Aborts what is open and whatever comes later. Does not wait for anything.
  void Close();

 private:
  friend class OpenCall;
  void Forget(OpenCall* call);

  std::mutex mutex_;
  std::unordered_map<OpenCall*, std::weak_ptr<OpenCall>> open_;  ///< guarded by mutex_
  bool closed_ = false;                                          ///< guarded by mutex_
};

}  // namespace headrace::wire
