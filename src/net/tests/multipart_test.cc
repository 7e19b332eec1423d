#include "net/multipart.h"

#include <gtest/gtest.h>

namespace headrace::net {
namespace {

std::string Part(const std::string& headers, const std::string& content) { return "--B\r\n" + headers + "\r\n\r\n" + content + "\r\n"; }
std::string Field(const std::string& name, const std::string& content) {
  return Part("Content-Disposition: form-data; name=\"" + name + "\"", content);
}

ErrorCode CodeFor(const std::string& body, const MultipartLimits& limits = {}) {
  const auto parts = ParseMultipart(body, "B", limits);
  EXPECT_FALSE(parts.ok());
  return parts.ok() ? ErrorCode::kInternal : CodeOf(parts.status());
}

TEST(Multipart, ReadsFilesAndFieldsAsCurlSendsThem) {
  const std::string binary("\x80\x05\r\n--b\0--", 9);
  const std::string body =
      Part("Content-Disposition: form-data; name=\"job_file\"; filename=\"w c.pkl\"\r\nContent-Type: application/octet-stream", binary) +
      Field("parallelism", "12") + "--B--\r\n";
  const auto parts = ParseMultipart(body, "B").ValueOrDie();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "job_file");
  EXPECT_EQ(parts[0].filename, "w c.pkl");
  EXPECT_EQ(parts[0].content_type, "application/octet-stream");
  EXPECT_EQ(parts[0].content, binary);
  EXPECT_EQ(FindPart(parts, "parallelism")->content, "12");
  EXPECT_EQ(FindPart(parts, "other"), nullptr);
}

TEST(Multipart, ABoundaryPrefixInsideContentIsContent) {
  const std::string body = Field("x", "a\r\n--\r\n-B\r\n--A") + "--B--";
  const auto parts = ParseMultipart(body, "B").ValueOrDie();
  EXPECT_EQ(parts[0].content, "a\r\n--\r\n-B\r\n--A");
}

TEST(Multipart, EmptyPartsAndPreamblesAreFine) {
  EXPECT_EQ(ParseMultipart("ignored\r\n" + Field("x", "") + "--B--ignored", "B")->at(0).content, "");
  EXPECT_EQ(ParseMultipart("--B\r\nContent-Disposition: form-data; name=x\r\n\r\n--B--", "B")->at(0).content, "");
  EXPECT_TRUE(ParseMultipart("--B--", "B")->empty());
}

TEST(Multipart, QuotesAndBrowserEscapesInNames) {
  const std::string body = Part("content-disposition: FORM-DATA; NAME=\"a\\\"b%22c\"; filename=\"C:\\dir\\x\"", "") + "--B--";
  const auto parts = ParseMultipart(body, "B").ValueOrDie();
  EXPECT_EQ(parts[0].name, "a\"b\"c");
  EXPECT_EQ(parts[0].filename, "C:\\dir\\x");
}

TEST(Multipart, ACutUploadIsAnErrorNotAShortFile) {
  const std::string body = Field("job_file", "0123456789") + "--B--\r\n";
  for (std::size_t length = 0; length < body.size() - 4; ++length) {
    EXPECT_EQ(CodeFor(body.substr(0, length)), ErrorCode::kBadRequest) << length;
  }
}

TEST(Multipart, MalformedPartsSayWhere) {
  EXPECT_EQ(CodeFor("nothing here"), ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("Content-Type: text/plain", "x") + "--B--"), ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: attachment; name=x", "x") + "--B--"), ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: form-data; name=\"x", "x") + "--B--"), ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("no colon", "x") + "--B--"), ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: form-data; name=x\r\nContent-Disposition: form-data; name=y", "x") + "--B--"),
            ErrorCode::kBadRequest);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: form-data; name=x\r\nContent-Transfer-Encoding: base64", "x") + "--B--"),
            ErrorCode::kBadRequest);
  EXPECT_NE(ParseMultipart("--Bjunk", "B").status().message().find("at byte 3"), std::string::npos);
}

TEST(Multipart, CapsHold) {
  MultipartLimits limits;
  limits.max_parts = 2;
  limits.max_header_bytes = 100;
  limits.max_name_bytes = 8;
  limits.max_headers = 3;
  limits.max_body_bytes = 1000;
  EXPECT_EQ(CodeFor(Field("a", "") + Field("b", "") + Field("c", "") + "--B--", limits), ErrorCode::kTooLarge);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: form-data; name=x\r\nX: " + std::string(100, 'y'), "") + "--B--", limits),
            ErrorCode::kTooLarge);
  EXPECT_EQ(CodeFor(Field("123456789", "") + "--B--", limits), ErrorCode::kTooLarge);
  EXPECT_EQ(CodeFor(Part("Content-Disposition: form-data; name=x\r\nA: 1\r\nB: 1\r\nC: 1", "") + "--B--", limits), ErrorCode::kTooLarge);
  EXPECT_EQ(CodeFor(Field("x", std::string(1000, 'y')) + "--B--", limits), ErrorCode::kTooLarge);
}

TEST(Multipart, BoundariesComeFromTheContentType) {
  EXPECT_EQ(*MultipartBoundary("multipart/form-data; boundary=----x"), "----x");
  EXPECT_EQ(*MultipartBoundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), "a b");
  EXPECT_EQ(CodeOf(MultipartBoundary("application/json").status()), ErrorCode::kUnsupportedMediaType);
  EXPECT_EQ(CodeOf(MultipartBoundary("").status()), ErrorCode::kUnsupportedMediaType);
  for (const std::string parameters :
       {"", "; boundary=", "; boundary=\"\"", "; boundary=\"a", "; boundary=\"a\r\nb\"", "; boundary", "; boundary=\"x \""}) {
    EXPECT_EQ(CodeOf(MultipartBoundary("multipart/form-data" + parameters).status()), ErrorCode::kBadRequest) << parameters;
  }
  EXPECT_EQ(CodeOf(MultipartBoundary("multipart/form-data; boundary=" + std::string(71, 'x')).status()), ErrorCode::kBadRequest);
}

}  // namespace
}  // namespace headrace::net
