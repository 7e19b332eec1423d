#include "net/http_server.h"

#include <fmt/format.h>
#include <pthread.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <future>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/logging.h"

namespace headrace::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr milliseconds kLinger{2'000};
constexpr milliseconds kLastGrace{1'000};
constexpr std::size_t kReadSize = 64u << 10;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Fields>
HttpRequest HeadOf(const Fields& message, std::string peer) {
  HttpRequest request;
  request.method = std::string(View(message.method_string()));
  request.target = std::string(View(message.target()));
  for (const auto& field : message) request.headers.emplace_back(View(field.name_string()), View(field.value()));
  request.peer = std::move(peer);
  return request;
}

/// What every request must have, whatever its route.
Status CheckHead(HttpRequest* request, unsigned version) {
  if (version != 11 && version != 10) return Error(ErrorCode::kBadRequest, "the HTTP version must be 1.0 or 1.1");
  const std::size_t hosts = CountFields(request->headers, "Host");
  if (hosts > 1 || (hosts == 0 && version == 11)) return Error(ErrorCode::kBadRequest, "a request must have exactly one Host header");
  if (CountFields(request->headers, "Transfer-Encoding") > 0 && CountFields(request->headers, "Content-Length") > 0) {
    return Error(ErrorCode::kBadRequest, "a request must not have both Transfer-Encoding and Content-Length");
  }
  return SplitTarget(request);
}

Status StatusOfReadError(const error_code& error, std::size_t max_header_bytes) {
  if (error == http::error::header_limit) {
    return Error(ErrorCode::kHeaderTooLarge, fmt::format("the request line and headers are longer than {} bytes", max_header_bytes));
  }
  if (error == http::error::buffer_overflow) {
    return Error(ErrorCode::kTooLarge, fmt::format("a line between the chunks of the body is longer than {} bytes", kReadSize));
  }
  if (error == http::error::body_limit) return Error(ErrorCode::kTooLarge, "the request body is larger than this path takes");
  return Error(ErrorCode::kBadRequest, "the request is not valid HTTP/1.1: " + error.message());
}

}  // namespace

/// One connection: reads a head, asks for admission, reads the body, waits for the answer, writes it, and again.
/// Owned by the core's table; touched on the I/O thread only; ends by Close(), which leaves the table.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(HttpServer::Core* core, std::uint64_t id, tcp::socket socket);
  void Start() { ReadFirstByte(true); }
  /// The answer of request `serial`; late and second ones are dropped.
  void Answer(std::uint64_t serial, HttpResponse response);
  /// Ends now when idle, else after the current answer.
  void Drain();
  void Close();

 private:
  using Parser = http::request_parser<http::string_body>;
  void ReadFirstByte(bool fresh);
  void ReadHead();
  void OnHead();
  void ReadBody();
  void OnBodyPart();
  void Dispatch();
  void Continue100();
  void Write(HttpResponse response, bool close);
  void OnReadError(const error_code& error);
  void Linger();
  void ReleaseBudget();
  void Arm(milliseconds timeout);
  void AwaitTimer(milliseconds timeout);
  std::string PeerText() const;

  HttpServer::Core* core_;
  const std::uint64_t id_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::uint64_t timer_serial_ = 0;
  bool timed_out_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  http::response<http::string_body> response_;
  std::uint64_t serial_ = 0;  // of the current request
  enum class Phase { kIdle, kHead, kBody, kHandler, kWriting, kClosing } phase_ = Phase::kIdle;
  bool keep_alive_ = false;
  bool draining_ = false;
  std::size_t budget_ = 0;  // bytes taken from the core's body budget, given back with the answer
  SteadyTime body_start_{};
  std::size_t body_bytes_ = 0;
};

/// Listener, connections and the I/O thread. Shared with responders, which may outlive the server: they hold the core but
/// reach connections only by number, on the I/O thread, so nothing runs once that thread has ended.
class HttpServer::Core : public std::enable_shared_from_this<HttpServer::Core> {
 public:
  Core(HttpServerOptions options, HttpHandler handler, HttpAdmit admit)
      : options_(std::move(options)), handler_(std::move(handler)), admit_(std::move(admit)), acceptor_(io_), drain_timer_(io_) {}

  Status Listen();
  void Run();
  void BeginStop();
  void Accept();
  void OnAccept(tcp::socket socket);
  void Forget(std::uint64_t id);
  void CloseAll();
  void MaybeFinish();

  HttpServerOptions options_;
  HttpHandler handler_;
  HttpAdmit admit_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer drain_timer_;
  std::unordered_map<std::uint64_t, std::shared_ptr<HttpConnection>> connections_;
  std::uint64_t last_id_ = 0;
  std::size_t buffered_bytes_ = 0;
  bool stopping_ = false;
  tcp::endpoint bound_;
  std::thread thread_;
};

/// The one answer to one request. Shared by the copies of a responder.
class HttpResponder::Request {
 public:
  Request(std::shared_ptr<HttpServer::Core> core, std::uint64_t connection, std::uint64_t serial)
      : core_(std::move(core)), connection_(connection), serial_(serial) {}
  ~Request() {
    if (!answered_.load()) Send(ProblemResponse(Error(ErrorCode::kInternal, "the request was dropped without an answer")));
  }
  void Send(HttpResponse response) {
    if (answered_.exchange(true)) return;
    // The closure must not hold the core: left in the queue of a stopped server it would keep itself alive.
    HttpServer::Core* core = core_.get();
    asio::post(core->io_, [core, connection = connection_, serial = serial_, response = std::move(response)]() mutable {
      const auto found = core->connections_.find(connection);
      if (found == core->connections_.end()) return;
      const auto keep = found->second;
      keep->Answer(serial, std::move(response));
    });
  }

 private:
  std::shared_ptr<HttpServer::Core> core_;
  const std::uint64_t connection_;
  const std::uint64_t serial_;
  std::atomic<bool> answered_{false};
};

void HttpResponder::Send(HttpResponse response) const { request_->Send(std::move(response)); }

HttpConnection::HttpConnection(HttpServer::Core* core, std::uint64_t id, tcp::socket socket)
    : core_(core), id_(id), socket_(std::move(socket)), timer_(core->io_), buffer_(core->options_.max_header_bytes + kReadSize) {}

/// Cancels what the socket does after `timeout`; zero disarms.
void HttpConnection::Arm(milliseconds timeout) {
  ++timer_serial_;
  timed_out_ = false;
  timer_.cancel();
  if (timeout.count() > 0) AwaitTimer(timeout);
}

void HttpConnection::AwaitTimer(milliseconds timeout) {
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), serial = timer_serial_](const error_code& error) {
    if (error || serial != self->timer_serial_) return;
    if (std::exchange(self->timed_out_, true)) return self->Close();
    error_code ignored;
    self->socket_.cancel(ignored);
    // A read that was done in the same instant had nothing to cancel and goes on: then only closing ends it.
    self->AwaitTimer(kLastGrace);
  });
}

std::string HttpConnection::PeerText() const {
  error_code ignored;
  const auto endpoint = socket_.remote_endpoint(ignored);
  return ignored ? "" : endpoint.address().to_string();
}

void HttpConnection::ReadFirstByte(bool fresh) {
  phase_ = Phase::kIdle;
  if (draining_) return Close();
  if (buffer_.size() > 0) return ReadHead();
  Arm(fresh ? core_->options_.header_timeout : core_->options_.idle_timeout);
  socket_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](const error_code& error, std::size_t bytes) {
    if (error) return self->Close();
    self->buffer_.commit(bytes);
    self->ReadHead();
  });
}

void HttpConnection::ReadHead() {
  phase_ = Phase::kHead;
  ++serial_;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(core_->options_.max_header_bytes));
  parser_->body_limit(boost::none);  // the route decides, once the head is known
  parser_->eager(false);
  Arm(core_->options_.header_timeout);
  http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](const error_code& error, std::size_t) {
    if (error) return self->OnReadError(error);
    self->OnHead();
  });
}

void HttpConnection::OnHead() {
  const auto& message = parser_->get();
  request_ = HeadOf(message, PeerText());
  keep_alive_ = message.keep_alive();
  if (const Status status = CheckHead(&request_, message.version()); !status.ok()) return Write(ProblemResponse(status), true);
  HttpAdmission admission = core_->admit_ ? core_->admit_(request_) : HttpAdmission{};
  const auto length = parser_->content_length();
  const bool has_body = parser_->chunked() || (length && *length > 0);
  if (admission.refusal) return Write(std::move(*admission.refusal), has_body);
  if (length && *length > admission.max_body_bytes) {
    return Write(ProblemResponse(Error(ErrorCode::kTooLarge, fmt::format("the request body has {} bytes, this path takes at most {}",
                                                                         *length, admission.max_body_bytes))),
                 true);
  }
  if (!has_body) return Dispatch();
  budget_ = length ? static_cast<std::size_t>(*length) : admission.max_body_bytes;
  if (core_->buffered_bytes_ + budget_ > core_->options_.max_buffered_bytes) {
    budget_ = 0;
    return Write(ProblemResponse(Error(ErrorCode::kNotReady, "too many uploads at a time", "Try again in a moment.")), true);
  }
  core_->buffered_bytes_ += budget_;
  parser_->body_limit(admission.max_body_bytes);
  body_start_ = std::chrono::steady_clock::now();
  body_bytes_ = 0;
  if (EqualsIgnoreCase(request_.Header("Expect"), "100-continue")) return Continue100();
  ReadBody();
}

void HttpConnection::Continue100() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  Arm(core_->options_.write_timeout);
  asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](const error_code& error, std::size_t) {
                      if (error) return self->Close();
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  phase_ = Phase::kBody;
  const auto& options = core_->options_;
  const auto earned = milliseconds(body_bytes_ * 1000 / std::max<std::size_t>(1, options.min_body_rate));
  const auto left = std::chrono::duration_cast<milliseconds>(body_start_ + options.body_grace + earned - std::chrono::steady_clock::now());
  Arm(std::max(milliseconds(1), std::min(options.body_pause, left)));
  http::async_read_some(socket_, buffer_, *parser_, [self = shared_from_this()](const error_code& error, std::size_t bytes) {
    if (error) return self->OnReadError(error);
    self->body_bytes_ += bytes;
    self->OnBodyPart();
  });
}

void HttpConnection::OnBodyPart() {
  if (!parser_->is_done()) return ReadBody();
  request_.body = std::move(parser_->get().body());
  // A chunked body has taken as much as its path allows; it keeps what it came to until the answer.
  core_->buffered_bytes_ -= budget_ - request_.body.size();
  budget_ = request_.body.size();
  Dispatch();
}

void HttpConnection::Dispatch() {
  phase_ = Phase::kHandler;
  Arm(milliseconds(0));
  const auto responder = HttpResponder(std::make_shared<HttpResponder::Request>(core_->shared_from_this(), id_, serial_));
  try {
    core_->handler_(std::move(request_), responder);
  } catch (const std::exception& e) {
    LogError("net.http", fmt::format("a handler threw: {}", e.what()));
    responder.Send(Error(ErrorCode::kInternal, "the request failed inside the server"));
  }
}

void HttpConnection::Answer(std::uint64_t serial, HttpResponse response) {
  if (phase_ != Phase::kHandler || serial != serial_) return;
  Write(std::move(response), false);
}

void HttpConnection::Write(HttpResponse answer, bool close) {
  phase_ = Phase::kWriting;
  ReleaseBudget();
  const bool head = parser_ && parser_->get().method() == http::verb::head;
  keep_alive_ = keep_alive_ && !close && !draining_;
  response_ = {};
  response_.version(11);
  response_.result(static_cast<unsigned>(answer.status));
  for (const auto& [name, value] : answer.headers) {
    if ((name + value).find_first_of("\r\n") == std::string::npos) response_.insert(name, value);
  }
  if (!answer.content_type.empty()) response_.set(http::field::content_type, answer.content_type);
  response_.set(http::field::server, "headrace");
  response_.set("X-Content-Type-Options", "nosniff");
  if (answer.status != 204) response_.content_length(answer.body.size());
  response_.keep_alive(keep_alive_);
  if (!head) response_.body() = std::move(answer.body);
  Arm(core_->options_.write_timeout);
  http::async_write(socket_, response_, [self = shared_from_this()](const error_code& error, std::size_t) {
    if (error) return self->Close();
    self->response_ = {};
    if (!self->keep_alive_) return self->Linger();
    self->ReadFirstByte(false);
  });
}

void HttpConnection::OnReadError(const error_code& error) {
  if (timed_out_ && (phase_ == Phase::kHead || phase_ == Phase::kBody)) {
    return Write(ProblemResponse(Error(ErrorCode::kRequestTimeout, phase_ == Phase::kHead ? "the request headers did not arrive in time"
                                                                                          : "the request body did not arrive in time")),
                 true);
  }
  const bool malformed = error.category() == http::make_error_code(http::error::bad_method).category() &&
                         error != http::error::end_of_stream && error != http::error::partial_message;
  if (!malformed) return Close();
  Write(ProblemResponse(StatusOfReadError(error, core_->options_.max_header_bytes)), true);
}

/// Reads what the client still sends, for a short while: closing with unread bytes would reset the connection before the
/// client has read the answer.
void HttpConnection::Linger() {
  if (phase_ != Phase::kClosing) {
    phase_ = Phase::kClosing;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    Arm(kLinger);
  }
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(kReadSize), [self = shared_from_this()](const error_code& error, std::size_t) {
    if (error || self->timed_out_) return self->Close();
    self->Linger();
  });
}

void HttpConnection::ReleaseBudget() {
  core_->buffered_bytes_ -= budget_;
  budget_ = 0;
}

void HttpConnection::Drain() {
  draining_ = true;
  if (phase_ == Phase::kIdle || phase_ == Phase::kHead || phase_ == Phase::kClosing) Close();
}

void HttpConnection::Close() {
  ReleaseBudget();
  ++timer_serial_;
  timer_.cancel();
  phase_ = Phase::kClosing;
  error_code ignored;
  socket_.close(ignored);
  core_->Forget(id_);
}

Status HttpServer::Core::Listen() {
  const auto failed = [this](const error_code& error) {
    return Error(ErrorCode::kBadSetting, fmt::format("cannot listen on {} port {}: {}", options_.address, options_.port, error.message()),
                 error == asio::error::address_in_use ? "Another process has this port; stop it or choose another port."
                                                      : "Check the address and the port.");
  };
  error_code error;
  tcp::resolver resolver(io_);
  const auto endpoints = resolver.resolve(options_.address, std::to_string(options_.port), tcp::resolver::passive, error);
  if (error || endpoints.empty()) return failed(error);
  const tcp::endpoint endpoint = endpoints.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  bound_ = acceptor_.local_endpoint(error);
  return Status::OK();
}

void HttpServer::Core::Run() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  Accept();
  while (true) {
    try {
      io_.run();
      return;
    } catch (const std::exception& e) {
      LogError("net.http", fmt::format("the {} server goes on after an error: {}", options_.name, e.what()));
    }
  }
}

void HttpServer::Core::Accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (stopping_) return;
    if (!error) {
      OnAccept(std::move(socket));
      return Accept();
    }
    // Out of file descriptors, most likely: wait instead of spinning.
    drain_timer_.expires_after(milliseconds(50));
    drain_timer_.async_wait([this](const error_code& cancelled) {
      if (!cancelled && !stopping_) Accept();
    });
  });
}

void HttpServer::Core::OnAccept(tcp::socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  if (connections_.size() >= options_.max_connections) {
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kFull.data(), kFull.size()), ignored);
    return;
  }
  const std::uint64_t id = ++last_id_;
  const auto connection = std::make_shared<HttpConnection>(this, id, std::move(socket));
  connections_.emplace(id, connection);
  connection->Start();
}

void HttpServer::Core::Forget(std::uint64_t id) {
  connections_.erase(id);
  MaybeFinish();
}

void HttpServer::Core::MaybeFinish() {
  if (stopping_ && connections_.empty()) drain_timer_.cancel();
}

void HttpServer::Core::BeginStop() {
  if (std::exchange(stopping_, true)) return;
  error_code ignored;
  acceptor_.close(ignored);
  drain_timer_.expires_after(options_.drain_timeout);
  drain_timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) CloseAll();
  });
  const auto connections = connections_;  // Drain() removes from the table
  for (const auto& [id, connection] : connections) connection->Drain();
  MaybeFinish();
}

void HttpServer::Core::CloseAll() {
  const auto connections = connections_;
  for (const auto& [id, connection] : connections) connection->Close();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options, HttpHandler handler, HttpAdmit admit) {
  auto core = std::make_shared<Core>(options, std::move(handler), std::move(admit));
  HR_RETURN_NOT_OK(core->Listen());
  core->thread_ = std::thread([raw = core.get()] { raw->Run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

HttpServer::~HttpServer() {
  RequestStop();
  Join();
}

std::uint16_t HttpServer::port() const { return core_->bound_.port(); }
bool HttpServer::on_loopback() const { return core_->bound_.address().is_loopback(); }

void HttpServer::RequestStop() {
  asio::post(core_->io_, [core = core_.get()] { core->BeginStop(); });
}

void HttpServer::Join() {
  if (core_->thread_.joinable()) core_->thread_.join();
}

bool IsLoopbackAddress(const std::string& address) {
  asio::io_context io;
  tcp::resolver resolver(io);
  error_code error;
  const auto endpoints = resolver.resolve(address, "0", tcp::resolver::passive, error);
  return !error && !endpoints.empty() && endpoints.begin()->endpoint().address().is_loopback();
}

}  // namespace headrace::net
