// Input: a Content-Type value, a zero byte, a body. Whatever parses must lie inside the body and respect the caps.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  if (zero == std::string_view::npos) return 0;
  const auto boundary = headrace::net::MultipartBoundary(input.substr(0, zero));
  if (!boundary.ok()) return 0;
  const std::string_view body = input.substr(zero + 1);
  headrace::net::MultipartLimits limits;
  limits.max_parts = 4;
  limits.max_header_bytes = 200;
  limits.max_name_bytes = 32;
  const auto parts = headrace::net::ParseMultipart(body, *boundary, limits);
  if (!parts.ok()) return 0;
  if (parts->size() > limits.max_parts) std::abort();
  for (const auto& part : *parts) {
    if (part.name.size() > limits.max_name_bytes || part.filename.size() > limits.max_name_bytes) std::abort();
    if (part.content.empty()) continue;
    if (part.content.data() < body.data() || part.content.data() + part.content.size() > body.data() + body.size()) std::abort();
    if (part.content.find("\r\n--" + *boundary) != std::string_view::npos) std::abort();
  }
  return 0;
}
