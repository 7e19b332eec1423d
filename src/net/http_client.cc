#include "net/http_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace headrace::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::uint64_t kMaxAnswerBytes = 256u << 20;

/// One request on its own loop. Lives for one Send().
class Exchange {
 public:
  Exchange(http::request<http::string_body> request, std::chrono::milliseconds timeout) : stream_(io_), request_(std::move(request)) {
    parser_.body_limit(kMaxAnswerBytes);
    parser_.skip(request_.method() == http::verb::head);
    stream_.expires_after(timeout);
  }

  error_code Run(const tcp::resolver::results_type& endpoints) {
    stream_.async_connect(endpoints, [this](error_code error, const tcp::endpoint&) {
      error_ = error;
      if (error) return;
      Write();
      Read();
    });
    io_.run();
    return error_;
  }

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
  void Write() {
    // A server may answer and close before it has read all; the answer counts, not the broken write.
    http::async_write(stream_, request_, [](error_code, std::size_t) {});
  }
  void Read() {
    http::async_read(stream_, buffer_, parser_, [this](error_code error, std::size_t) {
      error_ = error;
      error_code ignored;
      stream_.socket().close(ignored);
    });
  }

  asio::io_context io_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  error_code error_;
};

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
    Exchange exchange(std::move(request), timeout_);
    error = exchange.Run(endpoints);
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
