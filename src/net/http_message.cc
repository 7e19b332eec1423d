#include "net/http_message.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

namespace headrace::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

/// "kNotEnoughSlots" reads "Not enough slots".
std::string TitleOf(const ErrorCodeInfo& info) {
  std::string title;
  for (const char c : info.symbol.substr(1)) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !title.empty()) {
      title += ' ';
      title += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      title += c;
    }
  }
  return title;
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view FindField(const HttpFields& fields, std::string_view name) {
  for (const auto& [field, value] : fields) {
    if (EqualsIgnoreCase(field, name)) return value;
  }
  return {};
}

std::size_t CountFields(const HttpFields& fields, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(), [&](const auto& field) { return EqualsIgnoreCase(field.first, name); }));
}

std::string_view HttpRequest::Query(std::string_view name, std::string_view fallback) const {
  for (const auto& [field, value] : query) {
    if (field == name) return value;
  }
  return fallback;
}

HttpResponse JsonResponse(int status, std::string body) { return {status, "application/json", std::move(body), {}}; }
HttpResponse TextResponse(int status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body), {}}; }

HttpResponse ProblemResponse(const Status& status) {
  const ErrorCode code = CodeOf(status);
  const ErrorCodeInfo& info = InfoOf(code);
  const ErrorDetail* detail = ErrorDetail::Of(status);
  const nlohmann::ordered_json json = {
      {"type", "urn:headrace:error:" + CodeName(code)},
      {"title", TitleOf(info)},
      {"status", info.http_status},
      {"detail", status.message()},
      {"code", CodeName(code)},
      {"hint", std::string(detail == nullptr ? info.hint : detail->hint())},
  };
  HttpResponse response{
      info.http_status, "application/problem+json", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), {}};
  if (info.http_status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"headrace\"");
  if (info.http_status == 503 || info.http_status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Status SplitTarget(HttpRequest* request) {
  const std::string_view target = request->target;
  if (target.empty() || target.front() != '/') return Error(ErrorCode::kBadRequest, "the request target is not a path that starts with /");
  const std::size_t question = std::min(target.find('?'), target.size());
  auto path = PercentDecode(target.substr(0, question), false);
  if (!path) return Error(ErrorCode::kBadRequest, "the path has a malformed percent escape");
  request->path = std::move(*path);
  request->query.clear();
  std::string_view rest = target.substr(std::min(question + 1, target.size()));
  while (!rest.empty()) {
    const std::size_t ampersand = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, ampersand);
    rest.remove_prefix(std::min(ampersand + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return Error(ErrorCode::kBadRequest, "the query has a malformed percent escape");
    request->query.emplace_back(std::move(*name), std::move(*value));
  }
  return Status::OK();
}

}  // namespace headrace::net
