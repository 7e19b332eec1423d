#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "net/http_message.h"

namespace headrace::net {

/// A blocking HTTP/1.1 client over plain TCP, one connection a request: for the command line and for tests.
/// A value without state between requests; any thread.
class HttpClient {
 public:
  HttpClient(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }  ///< of a whole request, default 30 s
  /// Sends one request and waits for the whole answer, whatever its status. A `Host` among `headers` replaces the own one.
  /// kNotReady when the server cannot be reached or breaks off, kRequestTimeout past the timeout, kTooLarge above 256 MiB.
  Result<HttpResponse> Send(const std::string& method, const std::string& target, const HttpFields& headers = {},
                            std::string body = {}) const;
  Result<HttpResponse> Get(const std::string& target) const { return Send("GET", target); }

 private:
  std::string host_;
  std::uint16_t port_;
  std::chrono::milliseconds timeout_{30'000};
};

}  // namespace headrace::net
