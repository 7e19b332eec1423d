#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/outcome.h"
#include "base/status.h"

namespace grpc {
class ClientContext;
class Status;
}  // namespace grpc

namespace headrace::proto {
class Refusal;
}

namespace headrace::wire {

/// What a call that gRPC did not carry to its end means.
/// refused: the connection was refused, so nobody got it. unsent: it never got a connection, but who is there is not known.
/// no answer: it may have been received.
enum class TransportFailure { kRefused, kUnsent, kNoAnswer, kNotUnderstood };
TransportFailure ClassifyFailure(const grpc::Status& status);
/// The status with the reason that gRPC gives, e.g. `the TaskManager at tm1:6124 did not answer: Deadline Exceeded`.
Status DescribeFailure(TransportFailure failure, const grpc::Status& status, ErrorCode code, const std::string& who);
/// A refusal as an outcome of any type.
template <typename T>
Outcome<T> RefusedOutcome(Status reason, bool unknown) {
  return unknown ? Outcome<T>::Unknown(std::move(reason)) : Outcome<T>::NotDone(std::move(reason));
}

/// The calls of one gateway that are under way, shared by the gateway and each of them. Closing cancels them and waits until
/// their replies have run, unless it happens inside such a reply. Any thread.
class ClientCalls {
 public:
  /// False once closed: the call must not be made.
  bool Add(grpc::ClientContext* context);
  /// Marks the thread as running a reply for as long as it lives; takes the call out at its end.
  class Finishing {
   public:
    Finishing(std::shared_ptr<ClientCalls> calls, grpc::ClientContext* context);
    ~Finishing();
    Finishing(const Finishing&) = delete;
    Finishing& operator=(const Finishing&) = delete;

   private:
    std::shared_ptr<ClientCalls> calls_;
    grpc::ClientContext* context_;
    const ClientCalls* outer_;
  };
  void Close();

 private:
  std::mutex mutex_;
  std::condition_variable drained_;
  std::set<grpc::ClientContext*> open_;  ///< guarded by mutex_
  bool closed_ = false;                  ///< guarded by mutex_
};

}  // namespace headrace::wire
