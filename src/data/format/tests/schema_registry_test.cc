#include "data/format/schema_registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "net/http_server.h"

namespace headrace::data::format {
namespace {

/// A registry that counts what it is asked, and knows every schema but the first time id 404 is asked for.
class SchemaRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = net::HttpServer::Start({}, [this](net::HttpRequest request, net::HttpResponder responder) {
      const int before = asked_.fetch_add(1);
      if (request.path.ends_with("/404") && before == 0) return responder.Send(net::TextResponse(404, "{}"));
      responder.Send(net::TextResponse(200, R"({"schema": "\"long\""})"));
    });
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
    auto registry = SchemaRegistry::Get({fmt::format("http://127.0.0.1:{}", server_->port()), {}, {}});
    ASSERT_TRUE(registry.ok()) << registry.status();
    registry_ = *registry;
  }

  std::atomic<int> asked_{0};
  std::unique_ptr<net::HttpServer> server_;
  std::shared_ptr<SchemaRegistry> registry_;
};

TEST_F(SchemaRegistryTest, CallersAtOneTimeShareOneQuestion) {
  constexpr int kCallers = 16;
  std::latch together(kCallers);
  std::atomic<int> right{0};
  std::vector<std::jthread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      together.arrive_and_wait();
      const auto schema = registry_->ById(7);
      if (schema.ok() && (*schema)->text == "\"long\"" && (*schema)->type == "AVRO") ++right;
    });
  }
  callers.clear();
  EXPECT_EQ(right, kCallers);
  EXPECT_EQ(asked_, 1);
}

TEST_F(SchemaRegistryTest, AFailureIsNotKept) {
  const auto unknown = registry_->ById(404);
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("knows no schemas/ids/404"), std::string::npos) << unknown.status();
  EXPECT_TRUE(registry_->ById(404).ok());
  EXPECT_EQ(asked_, 2);
}

}  // namespace
}  // namespace headrace::data::format
