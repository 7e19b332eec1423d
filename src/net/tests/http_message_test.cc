#include "net/http_message.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "net/address_guard.h"

namespace headrace::net {
namespace {

TEST(SplitTarget, DecodesPathAndQuery) {
  HttpRequest request;
  request.target = "/jobs/a%2Fb?x=1+2&y=%C3%A4&flag&x=3";
  ASSERT_TRUE(SplitTarget(&request).ok());
  EXPECT_EQ(request.path, "/jobs/a/b");
  EXPECT_EQ(request.Query("x"), "1 2");
  EXPECT_EQ(request.Query("y"), "\xc3\xa4");
  EXPECT_EQ(request.Query("flag", "none"), "");
  EXPECT_EQ(request.Query("z", "none"), "none");
}

TEST(SplitTarget, RefusesWhatIsNotAPath) {
  for (const char* target : {"", "*", "http://x/y", "jobs", "/%", "/%2", "/%zz", "/%00", "/x?a=%0", "/x?a=%00"}) {
    HttpRequest request;
    request.target = target;
    EXPECT_FALSE(SplitTarget(&request).ok()) << target;
  }
}

TEST(ProblemResponse, HasEveryFieldAndTheCodesStatus) {
  const auto response = ProblemResponse(Error(ErrorCode::kNotEnoughSlots, "need 13 slots, 12 free"));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto json = nlohmann::json::parse(response.body);
  EXPECT_EQ(json["type"], "urn:headrace:error:HR1301");
  EXPECT_EQ(json["title"], "Not enough slots");
  EXPECT_EQ(json["status"], 409);
  EXPECT_EQ(json["detail"], "need 13 slots, 12 free");
  EXPECT_EQ(json["code"], "HR1301");
  EXPECT_EQ(json["hint"], "Lower the parallelism, cancel a job or start more TaskManagers.");
}

TEST(ProblemResponse, BytesThatAreNotUtf8StillGiveJson) {
  EXPECT_TRUE(nlohmann::json::accept(ProblemResponse(Error(ErrorCode::kBadRequest, "x\xff\x80")).body));
}

TEST(ProblemResponse, AStatusWithoutCodeIsOurBug) { EXPECT_EQ(ProblemResponse(Status::Invalid("x")).status, 500); }

HttpRequest With(HttpFields headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

TEST(AddressGuard, OwnNamesPassWithAnyPort) {
  const AddressGuard guard({"my.host", "other:99"});
  for (const char* host : {"localhost", "LocalHost:8081", "127.0.0.1:1", "[::1]", "[::1]:8081", "my.host:5", "other:99"}) {
    EXPECT_TRUE(guard.Check(With({{"Host", host}})).ok()) << host;
  }
  EXPECT_TRUE(guard.Check(With({{"Host", "localhost:8081"}, {"Origin", "http://localhost:8081"}, {"Sec-Fetch-Site", "same-origin"}})).ok());
  EXPECT_TRUE(guard.Check(With({{"Host", "localhost:8081"}, {"Sec-Fetch-Site", "none"}})).ok());
}

TEST(AddressGuard, ForeignNamesOriginsAndSitesAreRefused) {
  const AddressGuard guard({});
  const HttpFields bad[] = {
      {},
      {{"Host", ""}},
      {{"Host", "evil.example"}},
      {{"Host", "localhost.evil.example"}},
      {{"Host", "evil.example:8081"}},
      {{"Host", "127.0.0.2"}},
      {{"Host", "localhost:x"}},
      {{"Host", "localhost:"}},
      {{"Host", "::1"}},
      {{"Host", "localhost:1:2"}},
      {{"Host", "localhost"}, {"Host", "localhost"}},
      {{"Host", "localhost@evil.example"}},
      {{"Host", "localhost"}, {"Origin", "null"}},
      {{"Host", "localhost"}, {"Origin", "http://evil.example"}},
      {{"Host", "localhost:8081"}, {"Origin", "http://localhost:3000"}},
      {{"Host", "localhost"}, {"Origin", "http://localhost.evil.example"}},
      {{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}},
      {{"Host", "localhost"}, {"sec-fetch-site", "same-site"}},
      {{"Host", "localhost"}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "cross-site"}},
      {{"Host", "localhost"}, {"Origin", "http://localhost"}, {"Origin", "http://evil.example"}},
  };
  for (const auto& headers : bad) {
    const Status status = guard.Check(With(headers));
    EXPECT_EQ(CodeOf(status), ErrorCode::kForeignRequest)
        << (headers.empty() ? "no headers" : headers.back().first + ": " + headers.back().second);
  }
}

TEST(AddressGuard, AnOpenListenerTakesAddressesAndPlainNamesButNoOtherSite) {
  const AddressGuard guard = AddressGuard::ForOpenListener({"jm.example"});
  for (const char* host : {"10.0.0.7:8081", "jobmanager:8081", "task_manager-1", "[fe80::1]:8081", "localhost", "jm.example"}) {
    EXPECT_TRUE(guard.Check(With({{"Host", host}})).ok()) << host;
  }
  for (const char* host : {"evil.example", "evil.example:8081", "[evil.example]", "10.0.0.7.evil.example", "a@b", ""}) {
    EXPECT_FALSE(guard.Check(With({{"Host", host}})).ok()) << host;
  }
  EXPECT_FALSE(guard.Check(With({{"Host", "jobmanager:8081"}, {"Origin", "http://evil.example"}})).ok());
}

}  // namespace
}  // namespace headrace::net
