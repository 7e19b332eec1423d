#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "control/rest/api_description.h"
#include "control/rest/auth/role.h"
#include "net/http_message.h"
#include "net/http_server.h"

namespace headrace::control::rest {

/// One request on its route.
struct Call {
  net::HttpRequest request;
  std::vector<std::string> params;  ///< what stood for each {name} of the pattern, in order
  net::HttpResponder responder;
};
using RouteHandler = std::function<void(Call)>;

struct RouteOptions {
  std::size_t max_body_bytes = 1u << 20;
  bool multipart = false;      ///< another Content-Type is refused before the body is read
  bool inline_answer = false;  ///< answers at once, on the I/O thread, whatever the rest of the process does
};

struct Route {
  std::string method;
  std::string pattern;  ///< "/jobs/{id}/status"
  Role role = Role::kAdmin;
  RouteOptions options;
  RouteHandler handler;
  std::vector<std::string> segments;
};

/// What a path leads to: a route, or why not.
struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string> params;
  std::string allowed_methods;  ///< of the path when only the method is wrong; empty when the path is unknown
};

/// The table of routes. Filled at start, then immutable and free for any thread.
class Router {
 public:
  explicit Router(const ApiDescription* description) : description_(description) {}
  /// The role comes from openapi.yaml; a route that it does not describe is a bug and ends the process.
  void Add(std::string method, std::string pattern, RouteHandler handler, RouteOptions options = {});
  /// HEAD matches GET. A leading /v1 and a trailing slash do not count.
  RouteMatch Match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  const ApiDescription* description_;
  std::vector<Route> routes_;
};

}  // namespace headrace::control::rest
