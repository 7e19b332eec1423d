#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/random.h"

namespace headrace::test_support {

/// Runs a command and gives back what it printed, without the last newline. Fails the test when it fails.
inline std::string Run(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (pipe != nullptr && std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  const int code = pipe == nullptr ? -1 : pclose(pipe);
  EXPECT_EQ(code, 0)
      << command
      << " failed. PostgreSQL for tests is started by tools/postgres_local.sh; set HEADRACE_TEST_POSTGRES=host:port/db to use another one.";
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

/// Where a server listens.
struct PostgresAddress {
  std::string host;
  std::uint16_t port = 0;
  std::string database;
  static PostgresAddress Parse(const std::string& text) {
    const auto colon = text.rfind(':');
    const auto slash = text.find('/', colon == std::string::npos ? 0 : colon);
    if (colon == std::string::npos || slash == std::string::npos) {
      ADD_FAILURE() << "'" << text << "' is not host:port/database";
      return {};
    }
    return {text.substr(0, colon), static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)), text.substr(slash + 1)};
  }
};

/// A real server of its own in a temporary folder: the owner may kill and restart it. Stopped and removed with the object.
class PostgresServer {
 public:
  PostgresServer() : folder_(std::filesystem::temp_directory_path() / ("headrace-pg-" + SystemRandom().NextHex(12))) { Start(); }
  ~PostgresServer() {
    Run(Script() + " stop " + folder_.string());
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void Start() { address_ = PostgresAddress::Parse(Run(Script() + " start " + folder_.string())); }
  void Kill() { Run(Script() + " kill " + folder_.string()); }
  const PostgresAddress& address() const { return address_; }

 private:
  static std::string Script() { return std::string(HEADRACE_SOURCE_DIR) + "/tools/postgres_local.sh"; }
  std::filesystem::path folder_;
  PostgresAddress address_;
};

/// The server that tests share: the one that HEADRACE_TEST_POSTGRES names, or one started for this program.
inline const PostgresAddress& SharedPostgres() {
  static PostgresServer* own = nullptr;
  struct StopAtEnd : testing::Environment {
    void TearDown() override {
      delete own;
      own = nullptr;
    }
  };
  static const PostgresAddress address = [] {
    if (const char* given = std::getenv("HEADRACE_TEST_POSTGRES"); given != nullptr && *given != '\0') return PostgresAddress::Parse(given);
    own = new PostgresServer();
    testing::AddGlobalTestEnvironment(new StopAtEnd);
    return own->address();
  }();
  return address;
}

}  // namespace headrace::test_support
