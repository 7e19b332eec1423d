#include "net/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "net/http_message.h"

namespace headrace::net {
namespace {

Status Malformed(std::string_view what, std::size_t at) {
  return Error(ErrorCode::kBadRequest, fmt::format("the multipart body is malformed at byte {}: {}", at, what),
               "Send it as curl -F job_file=@FILE does.");
}

Status PastCap(std::string what) { return Error(ErrorCode::kTooLarge, std::move(what)); }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsTokenChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

/// `value; name=token; name="quoted"`, read from left to right.
class ParameterReader {
 public:
  explicit ParameterReader(std::string_view text) : rest_(text) {
    const std::size_t semicolon = std::min(rest_.find(';'), rest_.size());
    value_ = Trim(rest_.substr(0, semicolon));
    rest_.remove_prefix(semicolon);
  }
  std::string_view value() const { return value_; }
  bool malformed() const { return malformed_; }

  /// The next parameter; false at the end and on malformed text.
  bool Next(std::string_view* name, std::string* value) {
    rest_ = Trim(rest_);
    if (rest_.empty()) return false;
    malformed_ = true;
    if (rest_.front() != ';') return false;
    rest_ = Trim(rest_.substr(1));
    if (rest_.empty()) {  // a trailing semicolon is harmless
      malformed_ = false;
      return false;
    }
    const std::size_t equals = rest_.find('=');
    if (equals == std::string_view::npos) return false;
    *name = Trim(rest_.substr(0, equals));
    if (name->empty() || !std::all_of(name->begin(), name->end(), IsTokenChar)) return false;
    rest_ = Trim(rest_.substr(equals + 1));
    malformed_ = !ReadValue(value);
    return !malformed_;
  }

 private:
  bool ReadValue(std::string* value) {
    value->clear();
    if (rest_.empty() || rest_.front() != '"') {
      const std::size_t length = std::min(rest_.find_first_of("; \t"), rest_.size());
      value->assign(rest_.substr(0, length));
      rest_.remove_prefix(length);
      return !value->empty();
    }
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
      // Only an escaped quote or backslash is an escape: browsers send Windows paths with single backslashes.
      if (rest_[i] == '\\' && i + 1 < rest_.size() && (rest_[i + 1] == '"' || rest_[i + 1] == '\\')) ++i;
      value->push_back(rest_[i]);
    }
    return false;
  }

  std::string_view value_;
  std::string_view rest_;
  bool malformed_ = false;
};

constexpr std::pair<std::string_view, char> kEscapes[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};

std::string EncodeBrowserEscapes(std::string text) {
  for (const auto& [escape, character] : kEscapes) {
    for (std::size_t at = text.find(character); at != std::string::npos; at = text.find(character, at)) text.replace(at, 1, escape);
  }
  return text;
}

std::string DecodeBrowserEscapes(std::string text) {
  for (const auto& [escape, character] : kEscapes) {
    for (std::size_t at = text.find(escape); at != std::string::npos; at = text.find(escape, at + 1))
      text.replace(at, escape.size(), 1, character);
  }
  return text;
}

/// One pass over a body. Lives for one ParseMultipart().
class MultipartReader {
 public:
  MultipartReader(std::string_view body, std::string_view boundary, const MultipartLimits& limits)
      : body_(body), delimiter_("\r\n--" + std::string(boundary)), limits_(limits) {}

  Result<std::vector<FormPart>> Run() {
    HR_RETURN_NOT_OK(SkipPreamble());
    std::vector<FormPart> parts;
    while (true) {
      HR_ASSIGN_OR_RAISE(const bool more, EndOfDelimiter());
      if (!more) return parts;
      if (parts.size() == limits_.max_parts) return PastCap(fmt::format("the multipart body has more than {} parts", limits_.max_parts));
      HR_ASSIGN_OR_RAISE(FormPart part, ReadPart());
      parts.push_back(std::move(part));
    }
  }

 private:
  /// To just behind the first delimiter, whose line end may be missing at the start of the body.
  Status SkipPreamble() {
    const std::string_view first = std::string_view(delimiter_).substr(2);
    if (body_.substr(0, first.size()) == first) {
      at_ = first.size();
      return Status::OK();
    }
    const std::size_t found = body_.find(delimiter_);
    if (found == std::string_view::npos) return Malformed("the boundary of Content-Type does not occur", 0);
    at_ = found + delimiter_.size();
    return Status::OK();
  }

  /// True when a part follows, false behind the closing delimiter.
  Result<bool> EndOfDelimiter() {
    if (body_.substr(at_, 2) == "--") return false;  // what follows is an epilogue
    while (at_ < body_.size() && (body_[at_] == ' ' || body_[at_] == '\t')) ++at_;
    if (body_.substr(at_, 2) != "\r\n") return Malformed("a line end must follow the boundary", at_);
    at_ += 2;
    return true;
  }

  Result<FormPart> ReadPart() {
    FormPart part;
    const std::size_t start = at_;
    HR_RETURN_NOT_OK(ReadHeaders(&part));
    at_ += 2;
    // An empty part may let the headers' line end serve as the delimiter's.
    const std::size_t end = body_.substr(at_ - 2, delimiter_.size()) == delimiter_ ? at_ - 2 : body_.find(delimiter_, at_);
    if (end == std::string_view::npos) {
      return Malformed(fmt::format("the part at byte {} does not end with the boundary; the upload was cut short", start), body_.size());
    }
    if (end > at_) part.content = body_.substr(at_, end - at_);
    at_ = end + delimiter_.size();
    return part;
  }

  /// Leaves at_ on the empty line behind the headers.
  Status ReadHeaders(FormPart* part) {
    const std::size_t start = at_;
    bool named = false;
    for (std::size_t headers = 0;; ++headers) {
      const std::size_t used = std::min(at_ - start, limits_.max_header_bytes);
      const std::string_view window = body_.substr(at_, limits_.max_header_bytes - used + 2);
      const std::size_t length = window.find("\r\n");
      if (length == std::string_view::npos) {
        if (window.size() == body_.size() - at_) return Malformed("a part's headers do not end", at_);
        return PastCap(fmt::format("the headers of the part at byte {} are longer than {} bytes", start, limits_.max_header_bytes));
      }
      if (length == 0) break;
      if (headers == limits_.max_headers)
        return PastCap(fmt::format("the part at byte {} has more than {} headers", start, limits_.max_headers));
      HR_RETURN_NOT_OK(ReadHeader(window.substr(0, length), part, &named));
      at_ += length + 2;
    }
    return named ? Status::OK() : Malformed("a part has no Content-Disposition: form-data with a name", start);
  }

  Status ReadHeader(std::string_view line, FormPart* part, bool* named) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    if (colon == line.size() || name.empty() || !std::all_of(name.begin(), name.end(), IsTokenChar))
      return Malformed("a part's header line is not NAME: VALUE", at_);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return Malformed("a part's header holds a control character", at_);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (EqualsIgnoreCase(name, "content-type")) part->content_type = std::string(value);
    if (EqualsIgnoreCase(name, "content-transfer-encoding") && !EqualsIgnoreCase(value, "binary") && !EqualsIgnoreCase(value, "8bit") &&
        !EqualsIgnoreCase(value, "7bit")) {
      return Malformed("Content-Transfer-Encoding must be binary", at_);
    }
    if (!EqualsIgnoreCase(name, "content-disposition")) return Status::OK();
    if (*named) return Malformed("a part has two Content-Disposition headers", at_);
    return ReadDisposition(value, part, named);
  }

  Status ReadDisposition(std::string_view value, FormPart* part, bool* named) {
    ParameterReader reader(value);
    if (!EqualsIgnoreCase(reader.value(), "form-data")) return Malformed("Content-Disposition must be form-data", at_);
    std::string_view key;
    std::string text;
    while (reader.Next(&key, &text)) {
      const bool is_name = EqualsIgnoreCase(key, "name");
      if (!is_name && !EqualsIgnoreCase(key, "filename")) continue;
      if (text.size() > limits_.max_name_bytes)
        return PastCap(fmt::format("a part's {} is longer than {} bytes", is_name ? "name" : "filename", limits_.max_name_bytes));
      (is_name ? part->name : part->filename) = DecodeBrowserEscapes(std::move(text));
      *named = *named || is_name;
    }
    return reader.malformed() ? Malformed("Content-Disposition has a malformed parameter", at_) : Status::OK();
  }

  std::string_view body_;
  std::string delimiter_;
  const MultipartLimits& limits_;
  std::size_t at_ = 0;
};

bool IsBoundaryChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         (c != '\0' && std::string_view("'()+_,-./:=? *#!&$%^`|~").find(c) != std::string_view::npos);
}

}  // namespace

Result<std::string> MultipartBoundary(std::string_view content_type) {
  ParameterReader reader(content_type);
  if (!EqualsIgnoreCase(reader.value(), "multipart/form-data")) {
    return Error(ErrorCode::kUnsupportedMediaType,
                 fmt::format("Content-Type \"{}\" is not multipart/form-data", content_type.substr(0, 128)));
  }
  std::string_view name;
  std::string value, boundary;
  while (reader.Next(&name, &value)) {
    if (EqualsIgnoreCase(name, "boundary") && boundary.empty()) boundary = value;
  }
  if (reader.malformed() || boundary.empty() || boundary.size() > 70 || boundary.back() == ' ' ||
      !std::all_of(boundary.begin(), boundary.end(), IsBoundaryChar)) {
    return Error(ErrorCode::kBadRequest, "Content-Type multipart/form-data lacks a usable boundary",
                 "Let the HTTP client set Content-Type by itself.");
  }
  return boundary;
}

Result<std::vector<FormPart>> ParseMultipart(std::string_view body, std::string_view boundary, const MultipartLimits& limits) {
  if (body.size() > limits.max_body_bytes) return PastCap(fmt::format("the multipart body is larger than {} bytes", limits.max_body_bytes));
  if (boundary.empty()) return Malformed("the boundary is empty", 0);
  return MultipartReader(body, boundary, limits).Run();
}

std::string BuildMultipart(const std::vector<FormField>& fields, std::string_view boundary) {
  std::string body;
  for (const FormField& field : fields) {
    body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"", boundary, EncodeBrowserEscapes(field.name));
    if (!field.filename.empty())
      body += fmt::format("; filename=\"{}\"\r\nContent-Type: application/octet-stream", EncodeBrowserEscapes(field.filename));
    body += "\r\n\r\n";
    body += field.content;
    body += "\r\n";
  }
  return body + fmt::format("--{}--\r\n", boundary);
}

const FormPart* FindPart(const std::vector<FormPart>& parts, std::string_view name) {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const FormPart& part) { return part.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

}  // namespace headrace::net
