#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "wire/gateways.h"

namespace headrace::wire {

/// The JobManager at one address, over gRPC. Owned by the TaskManager; calls may be made from any thread, replies run on gRPC
/// threads (or at once when a call cannot be sent). Destruction cancels what is under way and waits for its replies.
/// A JobManager that cannot be reached is not done(kNotReady); a call without an answer is unknown(kNotReady).
class GrpcJobManagerGateway final : public JobManagerGateway {
 public:
  GrpcJobManagerGateway(const std::string& host, std::uint16_t port);
  ~GrpcJobManagerGateway() override;
  void Register(RegisterRequest request, Reply<RegisterReply> reply) override;
  void Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) override;
  void ReportTask(TaskManagerId from, Incarnation incarnation, TaskReport report, Reply<Nothing> reply) override;
  /// Checks length and sha256; at most 128 MiB.
  void FetchBlob(BlobId id, Reply<std::string> reply) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::wire
