#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "wire/grpc/channel_settings.h"
#include "wire/grpc/task_manager_client.h"
#include "wire/grpc/task_manager_server.h"
#include "wire/grpc/tests/gateway_fixtures.h"

extern char** environ;

namespace headrace::wire {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::kLeader;
using testing::kTarget;

constexpr const char* kPeerVariable = "HEADRACE_TEST_RPC_PEER";

/// In a process started by PeerProcess: serves as a TaskManager that answers probes and never answers a cancel, until killed.
class PeerRole final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* pipe_text = std::getenv(kPeerVariable);
    if (pipe_text == nullptr) return;
    class SilentOnCancel final : public TaskManagerGateway {
      void Deploy(LeaderToken, Incarnation, plan::JobDeployment, Reply<Nothing> reply) override { held_.push_back(std::move(reply)); }
      void Cancel(LeaderToken, Incarnation, JobId, DeploymentNumber, Reply<Nothing> reply) override { held_.push_back(std::move(reply)); }
      void AddSplits(LeaderToken, Incarnation, AttemptId, plan::SourceAssignment, Reply<Nothing> reply) override {
        held_.push_back(std::move(reply));
      }
      void Probe(LeaderToken, Incarnation, Reply<Nothing> reply) override { reply(Outcome<Nothing>::Done({})); }
      std::vector<Reply<Nothing>> held_;
    };
    SilentOnCancel handler;
    auto server = GrpcTaskManagerServer::Start({}, &handler, [](BlobId, Reply<std::string>) {}).ValueOrDie();
    const std::uint16_t port = server->port();
    if (write(std::atoi(pipe_text), &port, sizeof(port)) != sizeof(port)) _exit(1);
    for (;;) pause();
  }
};
[[maybe_unused]] const auto* const kPeerRole = ::testing::AddGlobalTestEnvironment(new PeerRole);

/// Another process with a TaskManager's port, to be killed or frozen.
class PeerProcess {
 public:
  PeerProcess() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, 0), 0);
    const std::string variable = std::string(kPeerVariable) + "=" + std::to_string(ends[1]);
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    char name[] = "rpc_peer";
    char* arguments[] = {name, nullptr};
    EXPECT_EQ(posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, arguments, environment.data()), 0);
    close(ends[1]);
    EXPECT_EQ(read(ends[0], &port_, sizeof(port_)), static_cast<ssize_t>(sizeof(port_)));
    close(ends[0]);
  }
  ~PeerProcess() { Kill(); }
  std::uint16_t port() const { return port_; }
  void Freeze() { kill(pid_, SIGSTOP); }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

/// A bound loopback socket.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  void Listen() { EXPECT_EQ(listen(fd_, 10), 0); }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

GrpcTaskManagerGateway Gateway(std::uint16_t port, milliseconds cancel = milliseconds(30'000)) {
  return GrpcTaskManagerGateway("127.0.0.1", port, TaskManagerId("tm1"), std::make_shared<BlobShelf>(), std::make_shared<PlanPacker>(),
                                {milliseconds(2'000), cancel, milliseconds(2'000), milliseconds(1'000)});
}

Outcome<Nothing> Probe(TaskManagerGateway& gateway) {
  Answer<Nothing> answer;
  gateway.Probe(kLeader, kTarget, answer.reply());
  return answer.Wait();
}

TEST(TransportFailure, ARefusedConnectionIsNotDone) {
  Listener bound_but_closed;
  GrpcTaskManagerGateway gateway = Gateway(bound_but_closed.port());
  const Outcome<Nothing> outcome = Probe(gateway);
  EXPECT_TRUE(outcome.not_done()) << outcome.reason().ToString();
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kTaskManagerLost);
  EXPECT_NE(outcome.reason().message().find("TaskManager tm1 at 127.0.0.1:"), std::string::npos) << outcome.reason().message();
}

TEST(TransportFailure, AHostThatAcceptsAndStaysSilentIsUnknown) {
  Listener silent;
  silent.Listen();
  GrpcTaskManagerGateway gateway = Gateway(silent.port());
  const Outcome<Nothing> outcome = Probe(gateway);
  EXPECT_TRUE(outcome.unknown()) << outcome.reason().ToString();
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kTaskManagerLost);
}

TEST(TransportFailure, APeerKilledDuringACallIsUnknownAtOnceAndRefusesAfterwards) {
  PeerProcess peer;
  GrpcTaskManagerGateway gateway = Gateway(peer.port());
  ASSERT_TRUE(Probe(gateway).done());
  Answer<Nothing> answer;
  gateway.Cancel(kLeader, kTarget, JobId("j"), 1, answer.reply());
  ASSERT_TRUE(Probe(gateway).done()) << "the cancel was sent before this";
  peer.Kill();
  const auto killed = std::chrono::steady_clock::now();
  const Outcome<Nothing> outcome = answer.Wait();
  EXPECT_TRUE(outcome.unknown()) << outcome.reason().ToString();
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kTaskManagerLost);
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(2));
  // The first probes may still go out on the dead connection.
  Outcome<Nothing> probe = Probe(gateway);
  for (int i = 0; i < 20 && probe.unknown(); ++i) probe = Probe(gateway);
  EXPECT_TRUE(probe.not_done()) << probe.reason().ToString();
  EXPECT_EQ(CodeOf(probe.reason()), ErrorCode::kTaskManagerLost);
}

TEST(TransportFailure, AFrozenPeerIsNoticedLongBeforeTheDeadline) {
  PeerProcess peer;
  GrpcTaskManagerGateway gateway = Gateway(peer.port(), milliseconds(60'000));
  ASSERT_TRUE(Probe(gateway).done());
  peer.Freeze();
  Answer<Nothing> answer;
  const auto start = std::chrono::steady_clock::now();
  gateway.Cancel(kLeader, kTarget, JobId("j"), 1, answer.reply());
  const Outcome<Nothing> outcome = answer.Wait();
  EXPECT_TRUE(outcome.unknown()) << outcome.reason().ToString();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15)) << "keepalive is 5 s + 3 s";
}

/// A server under attack: what comes in by hand must neither reach the handler nor end the server.
class HostileBytes : public ::testing::Test {
 protected:
  testing::FakeTaskManager handler_;
  std::unique_ptr<GrpcTaskManagerServer> server_ = GrpcTaskManagerServer::Start({}, &handler_, [](BlobId, Reply<std::string> reply) {
                                                     reply(Outcome<std::string>::NotDone(Error(ErrorCode::kNotFound, "no blobs here")));
                                                   }).ValueOrDie();

  void TearDown() override {
    EXPECT_EQ(handler_.calls, 0);
    GrpcTaskManagerGateway gateway = Gateway(server_->port());
    EXPECT_TRUE(Probe(gateway).done()) << "the server must go on";
  }
  /// Sends `bytes` over TCP and reads until the server closes or stays quiet for a while.
  void SendRaw(const std::string& bytes) const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server_->port());
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{0, 200'000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char buffer[4096];
    while (recv(fd, buffer, sizeof(buffer), 0) > 0) {
    }
    close(fd);
  }
  /// One call with `body` as its message.
  grpc::Status Call(const std::string& method, const std::string& body, const std::string& metadata = {}) const {
    grpc::ChannelArguments args;
    args.SetMaxSendMessageSize(-1);
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    grpc::GenericStub stub(grpc::CreateCustomChannel(JoinHostPort("127.0.0.1", server_->port()), grpc::InsecureChannelCredentials(), args));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    if (!metadata.empty()) context.AddMetadata("x-large", metadata);
    const grpc::Slice slice(body);
    grpc::ByteBuffer request(&slice, 1), response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
};

TEST_F(HostileBytes, WhatIsNotHttp2IsDropped) {
  SendRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  SendRaw(std::string(100'000, '\xff'));
  SendRaw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(9, '\0') + std::string(1000, '\x41'));
  SendRaw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

TEST_F(HostileBytes, MalformedMessagesNeverReachTheHandler) {
  for (const char* method : {"/headrace.proto.TaskManager/Deploy", "/headrace.proto.TaskManager/Cancel",
                             "/headrace.proto.TaskManager/AddSplits", "/headrace.proto.TaskManager/Probe"}) {
    EXPECT_FALSE(Call(method, "\xff\xff\xff\xff").ok()) << method;
  }
  // Well-formed, but empty: refused by what is missing in it.
  EXPECT_TRUE(Call("/headrace.proto.TaskManager/Deploy", "").ok());
  EXPECT_EQ(Call("/headrace.proto.TaskManager/Format", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(HostileBytes, AMessageAboveTheLimitIsRefused) {
  EXPECT_EQ(Call("/headrace.proto.TaskManager/Deploy", std::string(kMaxMessageBytes + 100, '\0')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(HostileBytes, LargeMetadataIsRefused) { EXPECT_FALSE(Call("/headrace.proto.TaskManager/Probe", "", std::string(20'000, 'm')).ok()); }

}  // namespace
}  // namespace headrace::wire
