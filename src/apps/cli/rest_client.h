#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/settings.h"
#include "base/status.h"

namespace headrace::apps::cli {

/// Speaks to a JobManager's REST interface for the command line. Blocking; one thread. Errors carry what the server said
/// (detail, hint, code); an unreachable server names the address and what to check.
class RestClient {
 public:
  /// `address` is host[:port]; empty = the first of jobmanager.host, else localhost, with rest.port.
  static Result<RestClient> Make(const Settings& settings, const std::string& address);
  Result<nlohmann::json> Get(const std::string& path) const;
  Result<nlohmann::json> Post(const std::string& path) const;
  /// Multipart upload of a job file with further form fields.
  Result<nlohmann::json> Submit(const std::string& path, const std::string& job_file,
                                const std::map<std::string, std::string>& fields) const;
  /// "localhost:8081"
  std::string address() const { return host_ + ":" + std::to_string(port_); }

 private:
  std::string host_;
  std::uint16_t port_ = 0;
  std::string token_;
};

}  // namespace headrace::apps::cli
