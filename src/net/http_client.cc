#include "net/http_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>

namespace headrace::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::uint64_t kMaxAnswerBytes = 256u << 20;

/// One request on its own loop, over plain TCP or over TLS. Lives for one Send().
class Exchange {
 public:
  /// `tls`: null over plain TCP; else it outlives this. `host` is whose certificate is expected.
  Exchange(http::request<http::string_body> request, std::chrono::milliseconds timeout, ssl::context* tls, const std::string& host)
      : request_(std::move(request)) {
    parser_.body_limit(kMaxAnswerBytes);
    parser_.skip(request_.method() == http::verb::head);
    if (tls == nullptr) {
      plain_.emplace(io_);
    } else {
      secure_.emplace(io_, *tls);
      secure_->set_verify_mode(ssl::verify_peer);
      secure_->set_verify_callback(ssl::host_name_verification(host));
      error_code ignored;
      asio::ip::make_address(host, ignored);
      if (ignored) SSL_set_tlsext_host_name(secure_->native_handle(), host.c_str());  // names only
    }
    tcp_stream().expires_after(timeout);
  }

  error_code Run(const tcp::resolver::results_type& endpoints) {
    tcp_stream().async_connect(endpoints, [this](error_code error, const tcp::endpoint&) {
      error_ = error;
      if (error) return;
      if (plain_) return Talk(*plain_);
      secure_->async_handshake(ssl::stream_base::client, [this](error_code failed) {
        error_ = failed;
        if (!failed) Talk(*secure_);
      });
    });
    io_.run();
    return error_;
  }
  /// Not at the network: one side does not trust the other. A server that refuses our certificate says so only behind the handshake.
  bool failed_at_tls() const { return error_.category() == asio::error::get_ssl_category(); }

  HttpResponse TakeAnswer() {
    auto message = parser_.release();
    HttpResponse response;
    response.status = static_cast<int>(message.result_int());
    for (const auto& field : message) response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    response.content_type = std::string(message[http::field::content_type]);
    response.body = std::move(message.body());
    return response;
  }

 private:
  beast::tcp_stream& tcp_stream() { return plain_ ? *plain_ : secure_->next_layer(); }

  template <typename Stream>
  void Talk(Stream& stream) {
    // A server may answer and close before it has read all; the answer counts, not the broken write.
    http::async_write(stream, request_, [](error_code, std::size_t) {});
    http::async_read(stream, buffer_, parser_, [this](error_code error, std::size_t) {
      error_ = error;
      error_code ignored;
      tcp_stream().socket().close(ignored);
    });
  }

  asio::io_context io_;
  std::optional<beast::tcp_stream> plain_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  error_code error_;
};

Status UseTls(const TlsOptions& options, ssl::context* context) {
  const auto bad = [](std::string_view what, const error_code& error) {
    return Error(ErrorCode::kBadOption, fmt::format("{} cannot be used: {}", what, error.message()), "Give it as PEM text.");
  };
  error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
  if (options.authorities.empty())
    context->set_default_verify_paths(error);
  else
    context->add_certificate_authority(asio::buffer(options.authorities), error);
  if (error) return bad("the authorities' certificate", error);
  if (options.certificate.empty() != options.key.empty())
    return Error(ErrorCode::kBadOption, "a client's certificate and its key need each other");
  if (options.certificate.empty()) return Status::OK();
  context->use_certificate_chain(asio::buffer(options.certificate), error);
  if (error) return bad("the client's certificate", error);
  context->use_private_key(asio::buffer(options.key), ssl::context::pem, error);
  return error ? bad("the client's key", error) : Status::OK();
}

}  // namespace

Result<HttpResponse> HttpClient::Send(const std::string& method, const std::string& target, const HttpFields& headers,
                                      std::string body) const {
  const std::string where = fmt::format("{}:{}", host_, port_);
  const auto unreachable = [&](const error_code& error) {
    return Error(ErrorCode::kNotReady, fmt::format("{} cannot be reached: {}", where, error.message()),
                 "Check the address and that the server runs there.");
  };
  try {
    http::request<http::string_body> request;
    request.version(11);
    request.method_string(method);
    request.target(target);
    request.set(http::field::host, where);
    request.set(http::field::user_agent, "headrace");
    request.keep_alive(false);
    request.body() = std::move(body);
    request.prepare_payload();
    for (const auto& [name, value] : headers) request.set(name, value);
    asio::io_context resolving;
    error_code error;
    const auto endpoints = tcp::resolver(resolving).resolve(host_, std::to_string(port_), error);
    if (error) return unreachable(error);
    ssl::context tls(ssl::context::tls_client);
    if (tls_) HR_RETURN_NOT_OK(UseTls(*tls_, &tls));
    Exchange exchange(std::move(request), timeout_, tls_ ? &tls : nullptr, host_);
    error = exchange.Run(endpoints);
    if (error && exchange.failed_at_tls())
      return Error(ErrorCode::kBadOption, fmt::format("{} cannot be spoken to over TLS: {}", where, error.message()),
                   "Check which authorities are trusted, the name in the server's certificate, and whether it asks for a client's.");
    if (error == beast::error::timeout)
      return Error(ErrorCode::kRequestTimeout, fmt::format("{} did not answer {} {} in {} ms", where, method, target, timeout_.count()),
                   "Try again, or with a longer timeout.");
    if (error == http::error::body_limit)
      return Error(ErrorCode::kTooLarge, fmt::format("the answer of {} is larger than {} bytes", where, kMaxAnswerBytes));
    if (error) return unreachable(error);
    return exchange.TakeAnswer();
  } catch (const std::exception& e) {
    return Error(ErrorCode::kBadRequest, fmt::format("{} {} cannot be sent: {}", method, target, e.what()));
  }
}

}  // namespace headrace::net
