#include "control/job/job_manager_endpoint.h"

#include <utility>

#include "base/status.h"

namespace headrace::control::job {

void JobManagerEndpoint::Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) {
  mailbox_.Bind([this](wire::RegisterRequest r, wire::Reply<wire::RegisterReply> answer) {
    registry_->Register(std::move(r), std::move(answer));
  })(std::move(request), std::move(reply));
}

void JobManagerEndpoint::Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply) {
  mailbox_.Bind([this](wire::HeartbeatRequest r, wire::Reply<wire::HeartbeatReply> answer) {
    registry_->Heartbeat(std::move(r), std::move(answer));
  })(std::move(request), std::move(reply));
}

void JobManagerEndpoint::ReportTask(TaskManagerId from, Incarnation incarnation, wire::TaskReport report, wire::Reply<Nothing> reply) {
  mailbox_.Bind([this, process = cluster::ProcessKey{std::move(from), std::move(incarnation)}](
                    wire::TaskReport r, wire::Reply<Nothing> answer) { registry_->ReportTask(process, r, std::move(answer)); })(
      std::move(report), std::move(reply));
}

void JobManagerEndpoint::FetchBlob(BlobId id, wire::Reply<std::string> reply) {
  const std::shared_ptr<const std::string> content = blobs_->Find(id);
  if (content == nullptr)
    return reply(Outcome<std::string>::NotDone(Error(ErrorCode::kNotFound, "There is no content with the hash " + id.str() + ".")));
  reply(Outcome<std::string>::Done(*content));
}

}  // namespace headrace::control::job
