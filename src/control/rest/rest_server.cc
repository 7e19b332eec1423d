#include "control/rest/rest_server.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/logging.h"
#include "control/rest/api_description.h"
#include "control/rest/auth/authenticator.h"
#include "control/rest/router.h"
#include "control/rest/routes/routes.h"
#include "net/http_server.h"
#include "net/multipart.h"

namespace headrace::control::rest {
namespace {

constexpr std::string_view kLogger = "control.rest";
constexpr std::chrono::minutes kInsecureWarning{1};

/// How the listener decides, and what to tell people about it.
struct Access {
  Authenticator authenticator;
  std::string security;
  std::string new_token;
  bool insecure = false;
};

Result<Access> DecideAccess(const RestContext& context, bool on_loopback) {
  const std::string& auth = context.settings->String("rest.auth");
  const auto names = context.settings->List("rest.allowed_hosts");
  if (on_loopback && auth != "token")
    return Access{Authenticator::WithGuard(net::AddressGuard(names)), "loopback, foreign sites refused", "", false};
  if (auth == "none") return Access{Authenticator::WithGuard(net::AddressGuard::ForOpenListener(names)), "open, insecure", "", true};
  const std::string& token = context.settings->String("rest.token");
  if (!token.empty()) return Access{Authenticator::WithTokens(TokenStore::OfToken(token)), "token", "", false};
  HR_ASSIGN_OR_RAISE(auto opened, TokenStore::Open(context.settings->Path("data.dir") + "/rest_tokens", *context.random));
  return Access{Authenticator::WithTokens(std::move(opened.tokens)), "token", std::move(opened.new_token), false};
}

}  // namespace

struct RestServer::State {
  explicit State(RestContext c, ApiDescription d) : context(std::move(c)), description(std::move(d)), router(&description) {}
  net::HttpAdmission Admit(const net::HttpRequest& head) const;
  void Handle(net::HttpRequest request, net::HttpResponder responder) const;
  void WarnInsecure();

  const RestContext context;
  const ApiDescription description;
  Router router;
  std::optional<Access> decided;
  std::atomic<const Access*> access{nullptr};  // set once, when `decided` is
  std::shared_ptr<Gauge> insecure;
  std::shared_ptr<ThreadExecutor> executor;
  std::unique_ptr<net::HttpServer> server;
};

/// Everything that the head of a request decides: foreign sites, path, method, token, media type.
net::HttpAdmission RestServer::State::Admit(const net::HttpRequest& head) const {
  const auto refuse = [](const Status& status) { return net::HttpAdmission{0, net::ProblemResponse(status)}; };
  const Access* const rules = access.load();
  if (rules == nullptr) return refuse(Error(ErrorCode::kNotReady, "the server is starting"));
  if (const Status foreign = rules->authenticator.Authorize(head, Role::kNone); !foreign.ok()) return refuse(foreign);
  const RouteMatch match = router.Match(head.method, head.path);
  if (match.route == nullptr && match.allowed_methods.empty()) {
    return refuse(Error(ErrorCode::kNotFound, fmt::format("there is no path {}", head.path.substr(0, 128)),
                        "See /openapi.json for the paths that exist."));
  }
  if (match.route == nullptr) {
    auto admission =
        refuse(Error(ErrorCode::kMethodNotAllowed, fmt::format("{} is not a method of {}; it has {}", head.method.substr(0, 32),
                                                               head.path.substr(0, 128), match.allowed_methods)));
    admission.refusal->headers.emplace_back("Allow", match.allowed_methods);
    return admission;
  }
  if (const Status status = rules->authenticator.Authorize(head, match.route->role); !status.ok()) return refuse(status);
  if (match.route->options.multipart) {
    if (const auto boundary = net::MultipartBoundary(head.Header("Content-Type")); !boundary.ok()) return refuse(boundary.status());
  }
  return {match.route->options.max_body_bytes, std::nullopt};
}

void RestServer::State::Handle(net::HttpRequest request, net::HttpResponder responder) const {
  RouteMatch match = router.Match(request.method, request.path);
  HR_CHECK(match.route != nullptr, "admission let only routes through");
  auto call = std::make_shared<Call>(Call{std::move(request), std::move(match.params), std::move(responder)});
  if (match.route->options.inline_answer) return match.route->handler(std::move(*call));
  executor->Post([route = match.route, call] { route->handler(std::move(*call)); });
}

void RestServer::State::WarnInsecure() {
  LogWarn(kLogger, fmt::format("REST on port {} is open to everyone who can reach it (rest.auth = none)", server->port()));
  executor->PostAfter(kInsecureWarning, [this] { WarnInsecure(); });
}

RestServer::RestServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<RestServer>> RestServer::Start(RestContext context) {
  HR_ASSIGN_OR_RAISE(auto description, ApiDescription::Parse(kOpenApiYaml));
  auto state = std::make_unique<State>(std::move(context), std::move(description));
  State* raw = state.get();
  const Settings& settings = *raw->context.settings;
  raw->insecure = raw->context.metrics->GetGauge("headrace_insecure", "1 when a listener takes requests without authentication.");
  raw->executor = std::make_shared<ThreadExecutor>("rest-work");
  const RouteServices services{raw->context.dispatcher, raw->context.metrics, &settings,
                               &raw->description,       raw->context.version, raw->executor};
  AddSubmitRoutes(&raw->router, services);
  AddJobRoutes(&raw->router, services);
  AddClusterRoutes(&raw->router, services);
  AddProcessRoutes(&raw->router, services);
  net::HttpServerOptions options;
  options.address = raw->context.bind;
  options.port = settings.Port("rest.port");
  options.name = "rest";
  options.max_connections = static_cast<std::size_t>(settings.Int("rest.max_connections"));
  HR_ASSIGN_OR_RAISE(
      raw->server,
      net::HttpServer::Start(
          options, [raw](net::HttpRequest request, net::HttpResponder responder) { raw->Handle(std::move(request), std::move(responder)); },
          [raw](const net::HttpRequest& head) { return raw->Admit(head); }));
  // Only now: a token made for a start that then cannot listen would be lost unseen.
  HR_ASSIGN_OR_RAISE(raw->decided, DecideAccess(raw->context, raw->server->on_loopback()));
  raw->access = &*raw->decided;
  if (raw->decided->insecure) {
    raw->insecure->Set(1);
    raw->executor->Post([raw] { raw->WarnInsecure(); });
  }
  return std::unique_ptr<RestServer>(new RestServer(std::move(state)));
}

RestServer::~RestServer() {
  RequestStop();
  Join();
}

std::uint16_t RestServer::port() const { return state_->server->port(); }
const std::string& RestServer::new_token() const { return state_->decided->new_token; }
const std::string& RestServer::security() const { return state_->decided->security; }

void RestServer::RequestStop() { state_->server->RequestStop(); }

void RestServer::Join() {
  state_->server->Join();
  state_->executor->RequestStop();
  state_->executor->Join();
}

}  // namespace headrace::control::rest
