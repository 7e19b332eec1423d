#pragma once
#include "control/cluster/mailbox.h"
#include "control/cluster/task_manager_registry.h"
#include "control/job/blob_store.h"
#include "wire/gateways.h"

namespace headrace::control::job {

/// What TaskManagers call (port 6123, or directly in one process). Calls may come from any thread and are decided in turns of
/// the control executor; replies come from there, blobs at once. Owned by the control plane; must not be called any more
/// when that is destroyed. Calls that a stopped executor drops are never answered.
class JobManagerEndpoint final : public wire::JobManagerGateway {
 public:
  JobManagerEndpoint(Executor* executor, cluster::TaskManagerRegistry* registry, const BlobStore* blobs)
      : registry_(registry), blobs_(blobs), mailbox_(executor) {}

  void Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) override;
  void Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply) override;
  void ReportTask(TaskManagerId from, Incarnation incarnation, wire::TaskReport report, wire::Reply<Nothing> reply) override;
  void FetchBlob(BlobId id, wire::Reply<std::string> reply) override;

 private:
  cluster::TaskManagerRegistry* const registry_;
  const BlobStore* const blobs_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
