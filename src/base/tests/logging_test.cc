#include "base/logging.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/shown_warnings.h"

namespace headrace {
namespace {

class LoggingTest : public ::testing::Test {
 protected:
  LoggingTest() : folder_(std::filesystem::temp_directory_path() / ("headrace-log-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    file_ = folder_ / "log.jsonl";
  }
  ~LoggingTest() override {
    ConfigureLogging({});
    std::filesystem::remove_all(folder_);
  }
  std::vector<std::string> Lines() const {
    std::ifstream in(file_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  LogOptions Options() const {
    LogOptions options;
    options.file = file_;
    return options;
  }
  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(LoggingTest, WarningsOfOneLoggerAreShownAtAnyLevel) {
  LogOptions options = Options();
  options.level = LogLevel::kError;
  ConfigureLogging(options);
  LogWarn("event_time", "not shown");
  ShowWarningsOf("event_time");
  LogWarn("event_time", "shown");
  LogInfo("event_time", "not shown");
  LogWarn("event_times", "not shown");
  ShowWarningsOf(nullptr);
  LogWarn("event_time", "not shown");
  ASSERT_EQ(Lines().size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(Lines()[0])["msg"], "shown");
}

TEST_F(LoggingTest, AFileGetsJsonLinesWithTheFixedFields) {
  ConfigureLogging(Options());
  LogWarn("control.job", "slots are short", {{"job_id", "abc"}, {"tm_id", "tm-1"}});
  ASSERT_EQ(Lines().size(), 1u);
  const auto line = nlohmann::json::parse(Lines()[0]);
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["logger"], "control.job");
  EXPECT_EQ(line["msg"], "slots are short");
  EXPECT_EQ(line["job_id"], "abc");
  EXPECT_EQ(line["tm_id"], "tm-1");
  EXPECT_EQ(line["ts"].get<std::string>().size(), std::string("2026-01-02T03:04:05.678Z").size());
}

TEST_F(LoggingTest, HostileTextStaysOneValidLine) {
  ConfigureLogging(Options());
  const std::string hostile("a\"b\\c\nd\x01\xff\xe2\x82 {} %v \xe2\x82\xac\0z", 24);
  LogError("x", hostile);
  ASSERT_EQ(Lines().size(), 1u);
  const auto line = nlohmann::json::parse(Lines()[0]);  // throws on invalid JSON or UTF-8
  EXPECT_NE(line["msg"].get<std::string>().find("{} %v \xe2\x82\xac"), std::string::npos);
}

TEST_F(LoggingTest, LevelsBelowTheChosenOneAreDropped) {
  auto options = Options();
  options.level = LogLevel::kWarn;
  ConfigureLogging(options);
  LogInfo("x", "hidden");
  LogError("x", "shown");
  ASSERT_EQ(Lines().size(), 1u);
}

TEST_F(LoggingTest, FilesRotateAndOldOnesAreBounded) {
  auto options = Options();
  options.rotate_bytes = 2000;
  options.keep = 2;
  ConfigureLogging(options);
  for (int i = 0; i < 200; ++i) LogInfo("x", std::string(100, 'y'));
  std::size_t files = 0, bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ++files;
    bytes += entry.file_size();
  }
  EXPECT_EQ(files, 3u);
  EXPECT_LE(bytes, 3 * 2200u);
}

TEST_F(LoggingTest, ManyThreadsNeverInterleaveInALine) {
  ConfigureLogging(Options());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) LogInfo("x", std::string(200, 'z'));
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = Lines();
  EXPECT_EQ(lines.size(), 800u);
  for (const auto& line : lines) ASSERT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST_F(LoggingTest, TextFormatIsForPeople) {
  auto options = Options();
  options.format = LogOptions::Format::kText;
  ConfigureLogging(options);
  LogInfo("net", "listening", {{"port", "8081"}});
  ASSERT_EQ(Lines().size(), 1u);
  EXPECT_NE(Lines()[0].find("info  net: listening port=8081"), std::string::npos) << Lines()[0];
}

}  // namespace
}  // namespace headrace
