#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace headrace::net {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// The first value of `name` (any case) in `fields`, or empty.
std::string_view FindField(const HttpFields& fields, std::string_view name);
std::size_t CountFields(const HttpFields& fields, std::string_view name);

/// A request as it came, its target split and decoded. A value.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< as sent: "/jobs/1?limit=2"
  std::string path;    ///< percent-decoded, without the query: "/jobs/1"
  HttpFields query;    ///< decoded, in order
  HttpFields headers;  ///< in order, names as sent
  std::string body;
  std::string peer;  ///< address of the other end, for the log only: never a basis of trust

  std::string_view Header(std::string_view name) const { return FindField(headers, name); }
  /// The first query value of `name` (exact case), or `fallback`.
  std::string_view Query(std::string_view name, std::string_view fallback = {}) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  ///< empty = none sent
  std::string body;
  HttpFields headers;  ///< further ones; Content-Length, Server and Connection are the server's
};

HttpResponse JsonResponse(int status, std::string body);
HttpResponse TextResponse(int status, std::string body);

/// RFC 9457 application/problem+json: type, title, status, detail, code, hint. The HTTP status is the code's own.
HttpResponse ProblemResponse(const Status& status);

/// Fills path and query from `target`. kBadRequest unless it is an absolute path with valid percent escapes.
Status SplitTarget(HttpRequest* request);

/// True when `a` and `b` differ at most in ASCII case.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

}  // namespace headrace::net
