#include <gtest/gtest.h>

#include "wire/grpc/job_manager_client.h"
#include "wire/grpc/job_manager_server.h"
#include "wire/grpc/tests/gateway_fixtures.h"

namespace headrace::wire {
namespace {

using testing::Answer;

class JobManagerGrpc : public ::testing::Test {
 protected:
  testing::FakeJobManager handler_;
  std::shared_ptr<BlobShelf> shelf_ = std::make_shared<BlobShelf>();
  std::unique_ptr<GrpcJobManagerServer> server_ = GrpcJobManagerServer::Start({}, &handler_, shelf_).ValueOrDie();
  GrpcJobManagerGateway client_{"127.0.0.1", server_->port()};

  Outcome<std::string> Fetch(const BlobId& id) {
    Answer<std::string> answer;
    client_.FetchBlob(id, answer.reply());
    return answer.Wait();
  }
};

AttemptId SomeAttempt() { return {JobId("j"), 2, 3, 4}; }

TEST_F(JobManagerGrpc, RegistrationArrivesWhole) {
  RegisterRequest request{TaskManagerId("tm1"), Incarnation("i1"),      "10.0.0.1", 6124, 6125, 65535, 4, "0.1.0", "3.11",
                          {SomeAttempt()},      {6, Incarnation("old")}};
  Answer<RegisterReply> answer;
  client_.Register(request, answer.reply());
  const Outcome<RegisterReply> outcome = answer.Wait();
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  EXPECT_EQ(outcome.value().leader, (LeaderToken{7, Incarnation("jm")}));
  EXPECT_EQ(outcome.value().heartbeat_interval_ms, 250);
  EXPECT_EQ(outcome.value().heartbeat_timeout_ms, 1250);
  const RegisterRequest& got = handler_.registered;
  EXPECT_EQ(got.id, request.id);
  EXPECT_EQ(got.incarnation, request.incarnation);
  EXPECT_EQ(got.host, "10.0.0.1");
  EXPECT_EQ(got.rpc_port, 6124);
  EXPECT_EQ(got.exchange_port, 6125);
  EXPECT_EQ(got.metrics_port, 65535);
  EXPECT_EQ(got.slots, 4u);
  EXPECT_EQ(got.version, "0.1.0");
  EXPECT_EQ(got.python_version, "3.11");
  EXPECT_EQ(got.running, std::vector<AttemptId>{SomeAttempt()});
  EXPECT_EQ(got.highest_leader, request.highest_leader);
}

TEST_F(JobManagerGrpc, HeartbeatCarriesBytesThatAreNoText) {
  HeartbeatRequest request;
  request.id = TaskManagerId("tm1");
  request.incarnation = Incarnation("i1");
  request.sequence = 9;
  request.tasks = {{SomeAttempt(), TaskState::kFailed, {1401, "broken \xff text", "Traceback", "job.py:3", "parse", "u1", "look"}, {}},
                   {SomeAttempt(), TaskState::kFinished, {}, {}}};
  request.metrics = {{SomeAttempt(), 1, 2, 3, 4, 5, 6, 0.25, 0.5, "waiting for the broker", {std::string("\x00\xfe", 2)}}};
  request.resident_bytes = 60'000'000;
  request.worker_processes = 2;
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(request, answer.reply());
  const Outcome<HeartbeatReply> outcome = answer.Wait();
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  EXPECT_FALSE(outcome.value().known);
  const HeartbeatRequest& got = handler_.heartbeat;
  EXPECT_EQ(got.sequence, 9u);
  ASSERT_EQ(got.tasks.size(), 2u);
  EXPECT_EQ(got.tasks[0].attempt, SomeAttempt());
  EXPECT_EQ(got.tasks[0].state, TaskState::kFailed);
  EXPECT_EQ(got.tasks[0].failure.code, 1401);
  EXPECT_EQ(got.tasks[0].failure.message, "broken \xff text");
  EXPECT_EQ(got.tasks[0].failure.operator_uid, "u1");
  EXPECT_EQ(got.tasks[1].state, TaskState::kFinished);
  ASSERT_EQ(got.metrics.size(), 1u);
  EXPECT_EQ(got.metrics[0].bad_records, 5u);
  EXPECT_EQ(got.metrics[0].late_records, 6u);
  EXPECT_EQ(got.metrics[0].backpressured_ratio, 0.5);
  EXPECT_EQ(got.metrics[0].bad_record_samples, (std::vector<std::string>{std::string("\x00\xfe", 2)}));
  EXPECT_EQ(got.resident_bytes, 60'000'000u);
}

TEST_F(JobManagerGrpc, TheLastReportCarriesTheLastNumbers) {
  Answer<Nothing> answer;
  const TaskMetrics last{SomeAttempt(), 1'000'000, 2, 3, 4, 5, 6, 0, 0, "", {"line 7: not JSON"}};
  client_.ReportTask(TaskManagerId("tm1"), Incarnation("i1"), {SomeAttempt(), TaskState::kFinished, {}, last}, answer.reply());
  ASSERT_TRUE(answer.Wait().done());
  ASSERT_TRUE(handler_.report.metrics.has_value());
  EXPECT_EQ(handler_.report.metrics->attempt, SomeAttempt());
  EXPECT_EQ(handler_.report.metrics->records_in, 1'000'000u);
  EXPECT_EQ(handler_.report.metrics->bad_records, 5u);
  EXPECT_EQ(handler_.report.metrics->bad_record_samples, last.bad_record_samples);
}

TEST_F(JobManagerGrpc, AHugeTracebackIsCutInsteadOfLosingTheReport) {
  Answer<Nothing> answer;
  client_.ReportTask(TaskManagerId("tm1"), Incarnation("i1"),
                     {SomeAttempt(), TaskState::kFailed, {1401, "m", std::string(50u << 20, 't'), "", "", "", ""}, {}}, answer.reply());
  ASSERT_TRUE(answer.Wait().done());
  EXPECT_EQ(handler_.report_from, TaskManagerId("tm1"));
  EXPECT_LT(handler_.report.failure.traceback.size(), 20'000u);
}

TEST_F(JobManagerGrpc, AHeartbeatOfManyFailuresArrives) {
  HeartbeatRequest request;
  request.tasks.resize(
      1000, {SomeAttempt(), TaskState::kFailed, {1401, std::string(4000, 'm'), std::string(20'000, 't'), "job.py:3", "map", "u1", ""}});
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(request, answer.reply());
  const Outcome<HeartbeatReply> outcome = answer.Wait();
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  ASSERT_EQ(handler_.heartbeat.tasks.size(), 1000u);
  EXPECT_GT(handler_.heartbeat.tasks.front().failure.traceback.size(), 10'000u);
  EXPECT_EQ(handler_.heartbeat.tasks.back().failure.code, 1401);
  EXPECT_EQ(handler_.heartbeat.tasks.back().failure.message.substr(0, 100), std::string(100, 'm'));
}

TEST_F(JobManagerGrpc, AMessageAboveTheLimitIsNotSent) {
  HeartbeatRequest request;
  request.tasks.resize(500'000, {SomeAttempt(), TaskState::kRunning, {}});
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(request, answer.reply());
  const Outcome<HeartbeatReply> outcome = answer.Wait();
  EXPECT_TRUE(outcome.not_done());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kTooLarge);
}

TEST_F(JobManagerGrpc, RefusalsKeepCodeTextAndKind) {
  handler_.on_register = [] {
    return Outcome<RegisterReply>::NotDone(Error(ErrorCode::kConflict, "tm1 is registered", "stop the other one"));
  };
  Answer<RegisterReply> refused;
  client_.Register(testing::From1<RegisterRequest>(), refused.reply());
  Outcome<RegisterReply> outcome = refused.Wait();
  ASSERT_TRUE(outcome.not_done());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kConflict);
  EXPECT_EQ(outcome.reason().message(), "tm1 is registered");
  EXPECT_EQ(ErrorDetail::Of(outcome.reason())->hint(), "stop the other one");
  handler_.on_register = [] { return Outcome<RegisterReply>::Unknown(Error(ErrorCode::kStoreUnavailable, "no answer from PostgreSQL")); };
  Answer<RegisterReply> open;
  client_.Register(testing::From1<RegisterRequest>(), open.reply());
  outcome = open.Wait();
  ASSERT_TRUE(outcome.unknown());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kStoreUnavailable);
}

TEST_F(JobManagerGrpc, ARegistrationWithoutIdNeverReachesTheHandler) {
  handler_.on_register = []() -> Outcome<RegisterReply> {
    ADD_FAILURE();
    return Outcome<RegisterReply>::Done({});
  };
  Answer<RegisterReply> answer;
  client_.Register({}, answer.reply());
  EXPECT_EQ(CodeOf(answer.Wait().reason()), ErrorCode::kBadRequest);
}

TEST_F(JobManagerGrpc, BlobsOfAnySizeArriveInChunks) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20, (std::size_t{5} << 20) + 17}) {
    std::string content(size, 'b');
    if (size > 2) content[size - 2] = 'x';
    handler_.blobs[BlobIdOf(content)] = content;
    Outcome<std::string> fetched = Fetch(BlobIdOf(content));
    ASSERT_TRUE(fetched.done()) << fetched.reason().ToString();
    EXPECT_TRUE(fetched.value() == content) << size;
  }
}

TEST_F(JobManagerGrpc, AShelvedBlobIsHandedOutWithoutTheHandlerWhileItIsKept) {
  const std::string content(300'000, 's');
  auto kept = shelf_->Keep(BlobIdOf(content), std::make_shared<const std::string>(content));
  auto again = shelf_->Keep(BlobIdOf(content), std::make_shared<const std::string>(content));
  kept.reset();
  EXPECT_TRUE(Fetch(BlobIdOf(content)).done());
  EXPECT_EQ(handler_.fetches, 0);
  again.reset();
  EXPECT_EQ(shelf_->size(), 0u);
  EXPECT_EQ(CodeOf(Fetch(BlobIdOf(content)).reason()), ErrorCode::kNotFound);
}

TEST_F(JobManagerGrpc, ADamagedBlobIsNoticed) {
  handler_.blobs[BlobIdOf("right")] = "wrong";
  const Outcome<std::string> fetched = Fetch(BlobIdOf("right"));
  ASSERT_TRUE(fetched.not_done());
  EXPECT_NE(fetched.reason().message().find("damaged"), std::string::npos);
}

TEST_F(JobManagerGrpc, AReplyThatTheHandlerDropsIsUnknownAtOnce) {
  handler_.on_heartbeat = [](Reply<HeartbeatReply>) {};
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(testing::From1<HeartbeatRequest>(), answer.reply());
  const Outcome<HeartbeatReply> outcome = answer.Wait();
  EXPECT_TRUE(outcome.unknown());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kNotReady);
}

TEST_F(JobManagerGrpc, AHandlerThatAnswersTwiceIsHeardOnce) {
  handler_.on_heartbeat = [](Reply<HeartbeatReply> reply) {
    reply(Outcome<HeartbeatReply>::Done({{8, Incarnation("a")}, true}));
    reply(Outcome<HeartbeatReply>::Done({{9, Incarnation("b")}, true}));
  };
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(testing::From1<HeartbeatRequest>(), answer.reply());
  EXPECT_EQ(answer.Wait().value().leader.epoch, 8u);
}

TEST_F(JobManagerGrpc, StoppingAnswersOpenCallsAndFreesThePort) {
  Reply<HeartbeatReply> held;
  std::promise<void> arrived;
  handler_.on_heartbeat = [&](Reply<HeartbeatReply> reply) {
    held = std::move(reply);
    arrived.set_value();
  };
  Answer<HeartbeatReply> answer;
  client_.Heartbeat(testing::From1<HeartbeatRequest>(), answer.reply());
  arrived.get_future().wait();
  const std::uint16_t port = server_->port();
  EXPECT_EQ(CodeOf(GrpcJobManagerServer::Start({"127.0.0.1", port}, &handler_, shelf_).status()), ErrorCode::kBadSetting)
      << "two servers on one port";
  server_->RequestStop();
  EXPECT_TRUE(answer.Wait().unknown());
  server_.reset();
  held(Outcome<HeartbeatReply>::Done({}));  // too late, and harmless
  auto again = GrpcJobManagerServer::Start({"127.0.0.1", port}, &handler_, shelf_);
  EXPECT_TRUE(again.ok()) << again.status().ToString();
}

TEST_F(JobManagerGrpc, ClosingTheGatewayAnswersWhatIsUnderWay) {
  Reply<HeartbeatReply> held;
  std::promise<void> arrived;
  handler_.on_heartbeat = [&](Reply<HeartbeatReply> reply) {
    held = std::move(reply);
    arrived.set_value();
  };
  Answer<HeartbeatReply> answer;
  {
    GrpcJobManagerGateway gateway("127.0.0.1", server_->port());
    gateway.Heartbeat(testing::From1<HeartbeatRequest>(), answer.reply());
    arrived.get_future().wait();
  }
  EXPECT_TRUE(answer.answered()) << "a reply may not come after its gateway is gone";
  EXPECT_TRUE(answer.Wait().unknown()) << answer.Wait().reason().ToString();
}

TEST_F(JobManagerGrpc, AGatewayMayDieInsideItsOwnReply) {
  auto gateway =
      std::make_shared<std::unique_ptr<GrpcJobManagerGateway>>(std::make_unique<GrpcJobManagerGateway>("127.0.0.1", server_->port()));
  Answer<RegisterReply> answer;
  (*gateway)->Register(testing::From1<RegisterRequest>(), [gateway, reply = answer.reply()](Outcome<RegisterReply> outcome) {
    gateway->reset();
    reply(std::move(outcome));
  });
  EXPECT_TRUE(answer.Wait().done());
}

}  // namespace
}  // namespace headrace::wire
