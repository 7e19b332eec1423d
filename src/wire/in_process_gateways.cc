#include "wire/in_process_gateways.h"

#include <utility>

#include "base/executor.h"
#include "wire/reply_once.h"

namespace headrace::wire {
namespace {

/// Runs `call(side, reply)` on `there` when the side still lives; the answer runs on `here`.
template <typename T, typename Side, typename Call>
void Send(const std::weak_ptr<Side>& target, Executor* there, Executor* here, Status lost, Reply<T> reply, Call call) {
  Reply<T> home = [here, reply = std::move(reply)](Outcome<T> outcome) {
    // Executors take copyable closures; the answer may be large.
    auto held = std::make_shared<Outcome<T>>(std::move(outcome));
    here->Post([reply, held] { reply(std::move(*held)); });
  };
  Reply<T> once = ReplyOnce<T>(std::move(home), lost);
  there->Post([target, once = std::move(once), lost = std::move(lost), call = std::move(call)]() mutable {
    if (std::shared_ptr<Side> side = target.lock()) {
      call(*side, std::move(once));
    } else {
      once(Outcome<T>::NotDone(std::move(lost)));
    }
  });
}

Status JobManagerGone() { return Error(ErrorCode::kNotReady, "the JobManager of this process is gone"); }
Status TaskManagerGone() { return Error(ErrorCode::kTaskManagerLost, "the TaskManager of this process is gone"); }

}  // namespace

InProcessJobManagerGateway::InProcessJobManagerGateway(std::weak_ptr<JobManagerGateway> target, Executor* target_executor,
                                                       Executor* caller_executor)
    : target_(std::move(target)), target_executor_(target_executor), caller_executor_(caller_executor) {}

void InProcessJobManagerGateway::Register(RegisterRequest request, Reply<RegisterReply> reply) {
  Send<RegisterReply>(target_, target_executor_, caller_executor_, JobManagerGone(), std::move(reply),
                      [request = std::move(request)](JobManagerGateway& side, Reply<RegisterReply> once) mutable {
                        side.Register(std::move(request), std::move(once));
                      });
}

void InProcessJobManagerGateway::Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) {
  Send<HeartbeatReply>(target_, target_executor_, caller_executor_, JobManagerGone(), std::move(reply),
                       [request = std::move(request)](JobManagerGateway& side, Reply<HeartbeatReply> once) mutable {
                         side.Heartbeat(std::move(request), std::move(once));
                       });
}

void InProcessJobManagerGateway::ReportTask(TaskManagerId from, Incarnation incarnation, TaskReport report, Reply<Nothing> reply) {
  Send<Nothing>(target_, target_executor_, caller_executor_, JobManagerGone(), std::move(reply),
                [from = std::move(from), incarnation = std::move(incarnation), report = std::move(report)](JobManagerGateway& side,
                                                                                                           Reply<Nothing> once) mutable {
                  side.ReportTask(std::move(from), std::move(incarnation), std::move(report), std::move(once));
                });
}

void InProcessJobManagerGateway::FetchBlob(BlobId id, Reply<std::string> reply) {
  Send<std::string>(
      target_, target_executor_, caller_executor_, JobManagerGone(), std::move(reply),
      [id = std::move(id)](JobManagerGateway& side, Reply<std::string> once) mutable { side.FetchBlob(std::move(id), std::move(once)); });
}

InProcessTaskManagerGateway::InProcessTaskManagerGateway(std::weak_ptr<TaskManagerGateway> target, Executor* target_executor,
                                                         Executor* caller_executor)
    : target_(std::move(target)), target_executor_(target_executor), caller_executor_(caller_executor) {}

void InProcessTaskManagerGateway::Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) {
  Send<Nothing>(target_, target_executor_, caller_executor_, TaskManagerGone(), std::move(reply),
                [leader = std::move(leader), target = std::move(target), deployment = std::move(deployment)](TaskManagerGateway& side,
                                                                                                             Reply<Nothing> once) mutable {
                  side.Deploy(std::move(leader), std::move(target), std::move(deployment), std::move(once));
                });
}

void InProcessTaskManagerGateway::Cancel(LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, Reply<Nothing> reply) {
  Send<Nothing>(target_, target_executor_, caller_executor_, TaskManagerGone(), std::move(reply),
                [leader = std::move(leader), target = std::move(target), job = std::move(job), up_to](TaskManagerGateway& side,
                                                                                                      Reply<Nothing> once) mutable {
                  side.Cancel(std::move(leader), std::move(target), std::move(job), up_to, std::move(once));
                });
}

void InProcessTaskManagerGateway::AddSplits(LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                                            Reply<Nothing> reply) {
  Send<Nothing>(target_, target_executor_, caller_executor_, TaskManagerGone(), std::move(reply),
                [leader = std::move(leader), target = std::move(target), attempt = std::move(attempt), splits = std::move(splits)](
                    TaskManagerGateway& side, Reply<Nothing> once) mutable {
                  side.AddSplits(std::move(leader), std::move(target), std::move(attempt), std::move(splits), std::move(once));
                });
}

void InProcessTaskManagerGateway::Probe(LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
  Send<Nothing>(target_, target_executor_, caller_executor_, TaskManagerGone(), std::move(reply),
                [leader = std::move(leader), target = std::move(target)](TaskManagerGateway& side, Reply<Nothing> once) mutable {
                  side.Probe(std::move(leader), std::move(target), std::move(once));
                });
}

}  // namespace headrace::wire
