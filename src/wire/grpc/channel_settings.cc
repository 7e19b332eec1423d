#include "wire/grpc/channel_settings.h"

#include <grpc/support/log.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <future>

#include "base/logging.h"

namespace headrace::wire {
namespace {

constexpr int kKeepaliveMs = 5'000, kKeepaliveTimeoutMs = 3'000;
constexpr int kMaxMetadataBytes = 8 << 10;
constexpr int kFirstReconnectMs = 100, kMostReconnectMs = 1'000;
// A busy machine may take a second to greet; one that is away is noticed by the deadlines of the calls.
constexpr int kConnectTimeoutMs = 3'000;

/// The threads that run callbacks are shared by all channels and servers of a process, and stop with the last of them. When
/// that one dies on such a thread, which is where calls let go of their channel, gRPC 1.51 joins the thread from itself and
/// aborts later (see grpc/grpc#32584). So one channel that leads nowhere keeps them for ever.
void KeepCallbackThreads() {
  [[maybe_unused]] static const bool once = [] {
    struct Forever {
      std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel("unix:/dev/null", nullptr);
      grpc::GenericStub stub{channel};
      grpc::ClientContext context;
      grpc::Slice nothing{""};
      grpc::ByteBuffer request{&nothing, 1}, response;
    };
    static Forever* const forever = new Forever;
    std::promise<void> failed;
    forever->stub.UnaryCall(&forever->context, "/none/none", grpc::StubOptions(), &forever->request, &forever->response,
                            [&](grpc::Status) { failed.set_value(); });
    failed.get_future().wait();
    return true;
  }();
}

/// Failures come back as outcomes and statuses; gRPC's own lines about them are for debugging.
void RedirectLog() {
  [[maybe_unused]] static const bool once = [] {
    gpr_set_log_function([](gpr_log_func_args* args) { LogDebug("grpc", args->message); });
    return true;
  }();
}

}  // namespace

std::string JoinHostPort(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& host, std::uint16_t port) {
  RedirectLog();
  KeepCallbackThreads();
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  args.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  args.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  // Repeating a call is a decision for who made it.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A shared connection would answer a fresh gateway with the refusal that a dead process gave before.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);  // so it is called, but it bounds one attempt
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMostReconnectMs);
  return grpc::CreateCustomChannel("dns:///" + JoinHostPort(host, port), grpc::InsecureChannelCredentials(), args);
}

void ConfigureServer(grpc::ServerBuilder* builder) {
  RedirectLog();
  KeepCallbackThreads();
  builder->SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Peers ping every kKeepaliveMs; a little sooner is no offence.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kKeepaliveMs - 1'000);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace headrace::wire
