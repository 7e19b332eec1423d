#include "control/rest/router.h"

#include <algorithm>
#include <utility>

namespace headrace::control::rest {
namespace {

constexpr std::size_t kMaxSegments = 16;

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty() && segments.size() <= kMaxSegments) {
    path.remove_prefix(1);
    const std::size_t slash = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return segments;
}

bool IsParameter(std::string_view segment) { return !segment.empty() && segment.front() == '{'; }

bool Fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(), [](const std::string& wanted, const std::string& found) {
    return IsParameter(wanted) ? !found.empty() : wanted == found;
  });
}

}  // namespace

void Router::Add(std::string method, std::string pattern, RouteHandler handler, RouteOptions options) {
  const auto role = description_->RoleOf(method, pattern);
  HR_CHECK(role.has_value(), pattern);
  Route route{std::move(method), pattern, *role, options, std::move(handler), Split(pattern)};
  routes_.push_back(std::move(route));
}

RouteMatch Router::Match(std::string_view method, std::string_view path) const {
  if (path == "/v1") path = "/";
  if (path.substr(0, 4) == "/v1/") path.remove_prefix(3);
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::vector<std::string> segments = Split(path);
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  RouteMatch match;
  std::size_t best_params = segments.size() + 1;
  for (const Route& route : routes_) {
    if (!Fits(route.segments, segments)) continue;
    if (!match.allowed_methods.empty()) match.allowed_methods += ", ";
    match.allowed_methods += route.method == "GET" ? "GET, HEAD" : route.method;
    // /jobs/submit is not a job called submit: the pattern with the fewest parameters wins.
    const auto params = static_cast<std::size_t>(std::count_if(route.segments.begin(), route.segments.end(), IsParameter));
    if (route.method != wanted || params >= best_params) continue;
    best_params = params;
    match.route = &route;
  }
  if (match.route == nullptr) return match;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (IsParameter(match.route->segments[i])) match.params.push_back(segments[i]);
  }
  return match;
}

}  // namespace headrace::control::rest
