#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "net/http_message.h"

namespace headrace::net {

/// Answers one request, once, from any thread; copies share the request. A responder that dies unanswered answers 500.
/// A second answer, and one after the client left or the server stopped, is dropped. A streaming answer will be one more verb here.
class HttpResponder {
 public:
  class Request;  // the server's side
  explicit HttpResponder(std::shared_ptr<Request> request) : request_(std::move(request)) {}
  void Send(HttpResponse response) const;
  void Send(const Status& problem) const { Send(ProblemResponse(problem)); }

 private:
  std::shared_ptr<Request> request_;
};

/// Runs on the I/O thread and must not block: hand long work to an executor and answer from there.
using HttpHandler = std::function<void(HttpRequest, HttpResponder)>;

/// What the head of a request is worth: how large its body may be, or why it is refused before its body is read.
struct HttpAdmission {
  std::size_t max_body_bytes = 1u << 20;
  std::optional<HttpResponse> refusal;
};
/// Called on the I/O thread with an empty body. Must not block.
using HttpAdmit = std::function<HttpAdmission(const HttpRequest& head)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";                ///< numeric, or a name that resolves
  std::uint16_t port = 0;                           ///< 0 picks a free one
  std::string name = "rest";                        ///< of the thread and the logger
  std::size_t max_connections = 512;                ///< more get 503 and are closed
  std::size_t max_header_bytes = 16u << 10;         ///< 431 above
  std::size_t max_buffered_bytes = 256u << 20;      ///< of all bodies together, each until its request is answered; 503 above
  std::chrono::milliseconds header_timeout{5'000};  ///< whole head, from its first byte; a new connection's first byte too
  std::chrono::milliseconds idle_timeout{60'000};   ///< between requests
  std::chrono::milliseconds body_pause{5'000};      ///< longest pause inside a body: 408 after
  std::chrono::milliseconds body_grace{10'000};     ///< a body has this time and one second for each min_body_rate bytes
  std::size_t min_body_rate = 4u << 10;
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds drain_timeout{10'000};  ///< how long Join() waits for answers that are under way
};

/// An HTTP/1.1 server on one I/O thread of its own. Owns the listener and the connections.
/// Stop is two-phase: RequestStop() closes the listener and idle connections and lets answers under way finish;
/// Join() waits for them, at most drain_timeout. Handlers may hold responders longer than the server lives.
class HttpServer {
 public:
  /// Listens when it returns. kBadSetting naming address, port and reason when it cannot.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options, HttpHandler handler, HttpAdmit admit = nullptr);
  ~HttpServer();  ///< RequestStop() and Join()
  std::uint16_t port() const;
  /// The bound address is a loopback one: decides whether a token is needed.
  bool on_loopback() const;
  void RequestStop();
  void Join();

  class Core;

 private:
  explicit HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

/// Whether `address` (numeric, or a name that resolves) is a loopback address. False when it does not resolve.
bool IsLoopbackAddress(const std::string& address);

}  // namespace headrace::net
