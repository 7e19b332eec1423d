#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "plan/connector_options.h"

namespace headrace::plan {
namespace {

std::string Between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t begin = text.find(from);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find(to, begin + from.size()) - begin);
}

/// docs/reference/connectors.md must name every option that validation takes, where people look for it.
TEST(ConnectorReference, NamesEveryOption) {
  std::ifstream in(std::string(HEADRACE_SOURCE_DIR) + "/docs/reference/connectors.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  const std::string sources = Between(page, "## Sources", "\n## "), sinks = Between(page, "## Sinks", "\n## ");
  ASSERT_FALSE(sources.empty());
  ASSERT_FALSE(sinks.empty());
  for (const char* kind : {"kafka", "file", "generator", "collection"}) {
    const std::string section = Between(sources, std::string("### ") + kind, "\n### ");
    EXPECT_FALSE(section.empty()) << "source " << kind;
    for (const OptionSpec& option : *SourceOptions(kind))
      EXPECT_NE(section.find(option.name), std::string::npos) << "source " << kind << ", option " << option.name;
  }
  for (const char* kind : {"kafka", "file", "print", "blackhole", "collection"}) {
    EXPECT_NE(sinks.find(kind), std::string::npos) << "sink " << kind;
    for (const OptionSpec& option : *SinkOptions(kind))
      EXPECT_NE(sinks.find(option.name), std::string::npos) << "sink " << kind << ", option " << option.name;
  }
}

TEST(ConnectorOptions, TypedAccessGivesDefaultsAndUnits) {
  ConnectorSpec kafka{"kafka", {{"topic", "t"}, {"discovery_interval_ms", "10s"}, {"property.linger.ms", "5"}}, "", false};
  EXPECT_EQ(OptionString(kafka, true, "start"), "earliest");
  EXPECT_EQ(OptionInt(kafka, true, "discovery_interval_ms"), 10'000);
  kafka.options["discovery_interval_ms"] = "2m";
  EXPECT_EQ(OptionInt(kafka, true, "discovery_interval_ms"), 120'000);
  EXPECT_EQ(OptionInt(kafka, true, "start_timestamp_ms"), 0);
  EXPECT_EQ(KafkaProperties(kafka), (std::vector<std::pair<std::string, std::string>>{{"linger.ms", "5"}}));
  EXPECT_EQ(SourceOptions("nosuch"), nullptr);
}

}  // namespace
}  // namespace headrace::plan
