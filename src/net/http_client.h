#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "net/http_message.h"

namespace headrace::net {

/// How a client speaks TLS: PEM texts. The server's certificate must be of a known authority and of the name that is asked.
struct TlsOptions {
  std::string authorities;       ///< who may have signed the server's certificate; empty: those that the machine trusts
  std::string certificate, key;  ///< the client's own, with those up to its authority; empty: it shows none
};

/// A blocking HTTP/1.1 client, over plain TCP or TLS 1.2 and newer, one connection a request: for the command line, schema registries and
/// tests. A value without state between requests; any thread.
class HttpClient {
 public:
  HttpClient(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }  ///< of a whole request, default 30 s
  void set_tls(TlsOptions tls) { tls_ = std::move(tls); }                      ///< speaks TLS from now on
  /// Sends one request and waits for the whole answer, whatever its status. A `Host` among `headers` replaces the own one.
  /// kNotReady when the server cannot be reached or breaks off, kRequestTimeout past the timeout, kTooLarge above 256 MiB. With TLS
  /// kBadOption for PEM texts that are none, and when the server's certificate is not trusted or it refuses ours.
  Result<HttpResponse> Send(const std::string& method, const std::string& target, const HttpFields& headers = {},
                            std::string body = {}) const;
  Result<HttpResponse> Get(const std::string& target) const { return Send("GET", target); }

 private:
  std::string host_;
  std::uint16_t port_;
  std::chrono::milliseconds timeout_{30'000};
  std::optional<TlsOptions> tls_;
};

}  // namespace headrace::net
