#include "kafka/client_settings.h"

#include <gtest/gtest.h>

#include "kafka/client.h"

namespace headrace::kafka {
namespace {

TEST(ClientSettings, DefaultServersFillAnEmptyList) {
  EXPECT_EQ(MakeClientSettings("", {}, "kafka:9092")->bootstrap_servers, "kafka:9092");
  EXPECT_EQ(MakeClientSettings(" a:1 , b:2 ", {}, "kafka:9092")->bootstrap_servers, "a:1,b:2");
}

TEST(ClientSettings, EqualSettingsCompareEqualWhateverTheOrder) {
  EXPECT_EQ(*MakeClientSettings("a:1", {{"linger.ms", "5"}, {"batch.size", "1"}}),
            *MakeClientSettings("a:1", {{"batch.size", "1"}, {"linger.ms", "5"}}));
}

TEST(ClientSettings, RefusesMalformedAddresses) {
  for (const char* servers : {"", "a:", "a:0", "a:65536", "a:12x", ":9092", "a b:1", "a:1,", "http://a/b:1"}) {
    const auto settings = MakeClientSettings(servers, {});
    ASSERT_FALSE(settings.ok()) << servers;
    EXPECT_EQ(CodeOf(settings.status()), ErrorCode::kBadOption) << servers;
  }
  for (const char* servers : {"a", "a:1", "[::1]:9092", "PLAINTEXT://a:1"}) EXPECT_TRUE(MakeClientSettings(servers, {}).ok()) << servers;
}

TEST(ClientSettings, PropertiesThatReachOutsideNeverGetThrough) {
  for (const char* name : {"plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location", "ssl.ca.location", "ssl.key.location",
                           "sasl.oauthbearer.token.endpoint.url", "acks", "enable.idempotence", "transactional.id", "group.id",
                           "bootstrap.servers", "metadata.broker.list"}) {
    EXPECT_FALSE(IsAllowedProperty(name)) << name;
    EXPECT_FALSE(MakeClientSettings("a:1", {{name, "x"}}).ok()) << name;
    // Settings that were not made by MakeClientSettings (a plan from elsewhere) meet the same gate again.
    EXPECT_FALSE(MakeConf(ClientSettings{"a:1", {{name, "x"}}}, {}, {}).ok()) << name;
  }
  EXPECT_TRUE(IsAllowedProperty("compression.type"));
}

TEST(ClientSettings, ARefusedSecretIsNotShown) {
  const auto conf = MakeConf(ClientSettings{"a:1", {{"ssl.key.pem", "hunter2"}, {"linger.ms", "hunter3"}}}, {}, {});
  ASSERT_FALSE(conf.ok());
  EXPECT_EQ(conf.status().message().find("hunter2"), std::string::npos);
}

TEST(StatusOf, SaysWhoActs) {
  EXPECT_EQ(WhoActsOn(StatusOf(RD_KAFKA_RESP_ERR__TRANSPORT, "x")), WhoActs::kTransient);
  EXPECT_EQ(CodeOf(StatusOf(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "x")), ErrorCode::kUnknownTopic);
  EXPECT_EQ(WhoActsOn(StatusOf(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "x")), WhoActs::kUser);
  EXPECT_EQ(WhoActsOn(StatusOf(RD_KAFKA_RESP_ERR__BAD_MSG, "x")), WhoActs::kCorruption);
  EXPECT_TRUE(StatusOf(RD_KAFKA_RESP_ERR_NO_ERROR, "x").ok());
}

}  // namespace
}  // namespace headrace::kafka
