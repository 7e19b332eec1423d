#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/status.h"
#include "control/job/dispatcher.h"

namespace headrace::control::rest {

/// What the server needs from its process. All of it must outlive the server.
struct RestContext {
  job::Dispatcher* dispatcher = nullptr;
  MetricsRegistry* metrics = nullptr;
  const Settings* settings = nullptr;  ///< rest.*, data.dir
  Random* random = nullptr;            ///< for the first token; used inside Start() only
  std::string bind;                    ///< address to listen on, defaults resolved
  std::string version;
};

/// The REST interface: an HTTP server, its routes and who may use them. Owns one I/O thread and one executor for parsing and
/// writing bodies. Whether a token is needed depends on the bound address and rest.auth alone (see Authenticator).
/// Stop is two-phase; calls to the dispatcher that are under way may answer after Join(), into the void.
class RestServer {
 public:
  /// Listens when it returns. kBadSetting when it cannot, or when the token file cannot be used.
  static Result<std::unique_ptr<RestServer>> Start(RestContext context);
  ~RestServer();  ///< RequestStop() and Join()
  std::uint16_t port() const;
  /// An admin token that was made by this start: show it once. Empty otherwise.
  const std::string& new_token() const;
  /// For the banner: "loopback, foreign sites refused", "token" or "open, insecure".
  const std::string& security() const;
  void RequestStop();
  void Join();

 private:
  struct State;
  explicit RestServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::control::rest
