#include "apps/cli/rest_client.h"

#include <fmt/core.h>
#include <charconv>
#include <nlohmann/json.hpp>

#include "apps/host_port.h"
#include "base/random.h"
#include "net/http_client.h"

namespace headrace::apps::cli {
namespace {

/// The code of a problem document ("HR1301"), or kInternal.
ErrorCode CodeFrom(const nlohmann::json& problem) {
  const std::string text = problem.value("code", "");
  int number = 0;
  if (text.size() < 3 || std::from_chars(text.data() + 2, text.data() + text.size(), number).ec != std::errc{}) return ErrorCode::kInternal;
  return static_cast<ErrorCode>(number);
}

Status ProblemOf(const net::HttpResponse& response) {
  const auto problem = nlohmann::json::parse(response.body, nullptr, false);
  if (response.status == 401)
    return Error(ErrorCode::kUnauthorized, "this JobManager wants a token, or does not know the one given",
                 "Set HEADRACE_REST__TOKEN to the token that it printed at its first start.");
  if (problem.is_object() && problem.contains("detail"))
    return Error(response.status == 404 ? ErrorCode::kNotFound : CodeFrom(problem), problem.value("detail", ""), problem.value("hint", ""));
  return Error(response.status == 404 ? ErrorCode::kNotFound : ErrorCode::kBadRequest,
               fmt::format("the server answered HTTP {}", response.status), "Is this the REST port of a JobManager?");
}

Result<nlohmann::json> Answer(const RestClient& client, const Result<net::HttpResponse>& sent) {
  if (!sent.ok()) {
    if (CodeOf(sent.status()) == ErrorCode::kNotReady)
      return Error(ErrorCode::kNotReady, fmt::format("no JobManager answers at {}: {}", client.address(), sent.status().message()),
                   "Start one with headrace jobmanager or headrace local, or name another with -m host:port.");
    return sent.status();
  }
  if (sent->status >= 400) return ProblemOf(*sent);
  auto body = nlohmann::json::parse(sent->body, nullptr, false);
  if (body.is_discarded())
    return Error(ErrorCode::kBadRequest, fmt::format("{} did not answer JSON", client.address()), "Is this the REST port of a JobManager?");
  return body;
}

net::HttpFields FieldsOf(const std::string& token, net::HttpFields fields = {}) {
  if (!token.empty()) fields.emplace_back("Authorization", "Bearer " + token);
  return fields;
}

}  // namespace

Result<RestClient> RestClient::Make(const Settings& settings, const std::string& address) {
  RestClient client;
  std::string target = address;
  if (target.rfind("http://", 0) == 0) target.erase(0, 7);
  while (!target.empty() && target.back() == '/') target.pop_back();
  const auto hosts = settings.List("jobmanager.host");
  const bool given = !address.empty();
  if (!given) target = hosts.empty() ? std::string("localhost") : hosts.front();
  HR_ASSIGN_OR_RAISE(HostPort parsed, ParseHostPort(given ? "-m" : "jobmanager.host", target, settings.Port("rest.port")));
  client.host_ = std::move(parsed.host);
  // The port of jobmanager.host is the one of gRPC: only an address given for REST may carry one.
  client.port_ = given ? parsed.port : settings.Port("rest.port");
  client.token_ = settings.String("rest.token");
  return client;
}

Result<nlohmann::json> RestClient::Get(const std::string& path) const {
  return Answer(*this, net::HttpClient(host_, port_).Send("GET", path, FieldsOf(token_)));
}

Result<nlohmann::json> RestClient::Post(const std::string& path) const {
  net::HttpClient client(host_, port_);
  client.set_timeout(std::chrono::seconds(120));
  return Answer(*this, client.Send("POST", path, FieldsOf(token_)));
}

Result<nlohmann::json> RestClient::Submit(const std::string& path, const std::string& job_file,
                                          const std::map<std::string, std::string>& fields) const {
  net::HttpClient client(host_, port_);
  client.set_timeout(std::chrono::seconds(120));
  // 128 random bits do not occur in the file.
  const std::string boundary = "headrace-" + SystemRandom().NextHex(32);
  std::string body;
  auto add_part = [&body, &boundary](const std::string& disposition, const std::string& content) {
    body += "--" + boundary + "\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n";
  };
  add_part("name=\"job_file\"; filename=\"job.pkl\"", job_file);
  for (const auto& [name, value] : fields) add_part("name=\"" + name + "\"", value);
  body += "--" + boundary + "--\r\n";
  return Answer(
      *this, client.Send("POST", path, FieldsOf(token_, {{"Content-Type", "multipart/form-data; boundary=" + boundary}}), std::move(body)));
}

}  // namespace headrace::apps::cli
