#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::net {

/// One part of a multipart/form-data body. The view points into the body.
struct FormPart {
  std::string name;
  std::string filename;      ///< empty when the part is a plain field
  std::string content_type;  ///< as sent, empty when absent
  std::string_view content;
};

/// What a body may cost. Past a cap the whole body is refused.
struct MultipartLimits {
  std::size_t max_parts = 64;
  std::size_t max_header_bytes = 4096;  ///< of one part
  std::size_t max_headers = 16;         ///< of one part
  std::size_t max_name_bytes = 256;     ///< of name and filename
  std::size_t max_body_bytes = 66u << 20;
};

/// The boundary of a Content-Type value. kUnsupportedMediaType when it is not multipart/form-data, kBadRequest without a
/// usable boundary (RFC 2046: 1 to 70 characters).
Result<std::string> MultipartBoundary(std::string_view content_type);

/// Splits a whole body into its parts, in order. A pure function: no crash whatever the bytes.
/// kBadRequest names what is malformed and at which byte; kTooLarge past a cap. Names are not decoded (RFC 7578 wants raw UTF-8),
/// except for the %22, %0D and %0A that browsers send.
Result<std::vector<FormPart>> ParseMultipart(std::string_view body, std::string_view boundary, const MultipartLimits& limits = {});

/// One field to send.
struct FormField {
  std::string name;
  std::string content;
  std::string filename = {};  ///< empty = a plain field
};
/// The body of a request with these fields. `boundary` must not occur in any content: take a random one.
std::string BuildMultipart(const std::vector<FormField>& fields, std::string_view boundary);

/// The first part with this name, or nullptr.
const FormPart* FindPart(const std::vector<FormPart>& parts, std::string_view name);

}  // namespace headrace::net
