#pragma once
#include "base/outcome.h"
#include "base/status.h"
#include "wire/gateways.h"

namespace headrace::proto {
class HeartbeatReply;
class HeartbeatRequest;
class LeaderToken;
class Refusal;
class RegisterReply;
class RegisterRequest;
class ReportTaskRequest;
}  // namespace headrace::proto

namespace headrace::wire {

// Messages of proto/call.proto and proto/cluster.proto, both ways. For wire's own sources only. Free texts are cut to what a
// person reads, so that a heartbeat with many failures stays far below the message limit.
void ToMessage(const LeaderToken& token, proto::LeaderToken* message);
LeaderToken FromMessage(const proto::LeaderToken& message);
void ToMessage(const RegisterRequest& request, proto::RegisterRequest* message);
Result<RegisterRequest> FromMessage(const proto::RegisterRequest& message);
void ToMessage(const RegisterReply& reply, proto::RegisterReply* message);
RegisterReply FromMessage(const proto::RegisterReply& message);
void ToMessage(const HeartbeatRequest& request, proto::HeartbeatRequest* message);
Result<HeartbeatRequest> FromMessage(const proto::HeartbeatRequest& message);
void ToMessage(const HeartbeatReply& reply, proto::HeartbeatReply* message);
HeartbeatReply FromMessage(const proto::HeartbeatReply& message);
void ToMessage(const TaskManagerId& id, const Incarnation& incarnation, const TaskReport& report, proto::ReportTaskRequest* message);
/// Only the report; id and incarnation are read by the caller.
Result<TaskReport> FromMessage(const proto::ReportTaskRequest& message);
/// `unknown` says whether the effect may have happened.
void ToMessage(const Status& reason, bool unknown, proto::Refusal* message);
Status FromMessage(const proto::Refusal& message);

}  // namespace headrace::wire
