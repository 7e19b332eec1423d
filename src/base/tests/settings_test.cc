#include "base/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace headrace {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() : folder_(std::filesystem::temp_directory_path() / ("headrace-settings-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }
  std::string File(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  static std::string ErrorOf(const SettingSources& sources) {
    const auto settings = Settings::Load(sources);
    EXPECT_FALSE(settings.ok());
    if (settings.ok()) return "";
    EXPECT_EQ(CodeOf(settings.status()), ErrorCode::kBadSetting);
    return settings.status().message();
  }
  std::filesystem::path folder_;
};

TEST_F(SettingsTest, EachLayerOverridesTheOnesBelowAndIsNamed) {
  SettingSources sources;
  const auto port = [&] { return Settings::Load(sources).ValueOrDie(); };
  EXPECT_EQ(port().Port("rest.port"), 8081);
  EXPECT_EQ(port().origin("rest.port"), "default");
  sources.config_file = File("h.yaml", "# c\nrest:\n  port: 1\n");
  EXPECT_EQ(port().Port("rest.port"), 1);
  EXPECT_EQ(port().origin("rest.port"), "file " + sources.config_file + ":3");
  sources.environment["JOBMANAGER_REST_PORT"] = "2";
  EXPECT_EQ(port().Port("rest.port"), 2);
  EXPECT_EQ(port().origin("rest.port"), "env JOBMANAGER_REST_PORT");
  sources.environment["HEADRACE_REST__PORT"] = "3";
  EXPECT_EQ(port().Port("rest.port"), 3);
  EXPECT_EQ(port().origin("rest.port"), "env HEADRACE_REST__PORT");
  sources.flags.push_back({"rest.port", "4", "--port"});
  EXPECT_EQ(port().Port("rest.port"), 4);
  EXPECT_EQ(port().origin("rest.port"), "flag --port");
}

TEST_F(SettingsTest, UnitsAndPlainNumbersMeanTheSame) {
  SettingSources sources;
  sources.environment = {{"HEARTBEAT_TIMEOUT", "7000"},
                         {"HEADRACE_HEARTBEAT__INTERVAL", "1.5s"},
                         {"ROCKSDB_WRITE_BUFFER_SIZE", "134217728"},
                         {"MEMORY_SIZE", "2GiB"}};
  const auto settings = Settings::Load(sources).ValueOrDie();
  EXPECT_EQ(settings.DurationMs("heartbeat.timeout"), 7000);
  EXPECT_EQ(settings.DurationMs("heartbeat.interval"), 1500);
  EXPECT_EQ(settings.Bytes("state.rocksdb_write_buffer_size"), 128 << 20);
  EXPECT_EQ(settings.Bytes("memory.size"), 2ll << 30);
}

TEST_F(SettingsTest, AnUnknownEnvironmentNameIsRefusedWithTheNearest) {
  SettingSources sources;
  sources.environment["HEADRACE_REST__PROT"] = "1";
  EXPECT_EQ(ErrorOf(sources), "the environment name \"HEADRACE_REST__PROT\" is not a setting; did you mean HEADRACE_REST__PORT?");
}

TEST_F(SettingsTest, ForeignEnvironmentNamesAreNotOurs) {
  SettingSources sources;
  sources.environment = {{"HEADRACE_SOMETHING", "1"}, {"MY__NAME", "1"}, {"HEADRACE_SERVICE_HOST", "10.0.0.1"}};
  EXPECT_TRUE(Settings::Load(sources).ok());
}

TEST_F(SettingsTest, AnUnknownFileKeyIsRefusedWithPlaceAndNearest) {
  SettingSources sources;
  sources.config_file = File("h.yaml", "heartbeat:\n  interval: 2s\n  time_out: 5s\n");
  const std::string error = ErrorOf(sources);
  EXPECT_NE(error.find("h.yaml:3"), std::string::npos) << error;
  EXPECT_NE(error.find("did you mean heartbeat.timeout?"), std::string::npos) << error;
}

TEST_F(SettingsTest, DottedKeysListsAndNullsOfAFileAreRead) {
  SettingSources sources;
  sources.config_file = File("h.yaml", "rest.allowed_hosts: [a.example, b.example]\njobmanager:\n  host: \"x:1, y\"\npostgres:\n  host:\n");
  const auto settings = Settings::Load(sources).ValueOrDie();
  EXPECT_EQ(settings.List("rest.allowed_hosts"), (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(settings.List("jobmanager.host"), (std::vector<std::string>{"x:1", "y"}));
  EXPECT_EQ(settings.String("postgres.host"), "");
}

TEST_F(SettingsTest, FilesThatAreNotSettingsGiveOneClearError) {
  SettingSources sources;
  for (const std::string text : {"rest: [", "- a\n- b\n", "rest:\n  port: {a: 1}\n", "rest:\n  port: 1\nrest.port: 2\n", "? [a]\n: b\n",
                                 "rest:\n  port: &a [*a]\n"}) {
    sources.config_file = File("h.yaml", text);
    EXPECT_NE(ErrorOf(sources).find("h.yaml"), std::string::npos) << text;
  }
  sources.config_file = File("big.yaml", std::string(2u << 20, '#'));
  EXPECT_NE(ErrorOf(sources).find("larger than 1MiB"), std::string::npos);
  sources.config_file = folder_ / "missing.yaml";
  EXPECT_NE(ErrorOf(sources).find("cannot be read"), std::string::npos);
  sources.config_file = folder_;
  EXPECT_NE(ErrorOf(sources).find("cannot be read"), std::string::npos);
  sources.config_file = File("empty.yaml", "");
  EXPECT_TRUE(Settings::Load(sources).ok());
}

TEST_F(SettingsTest, WrongValuesNameKeyValueOriginAndExpectation) {
  SettingSources sources;
  sources.environment["TASK_SLOTS"] = "0";
  EXPECT_EQ(ErrorOf(sources), "taskmanager.slots = \"0\" (env TASK_SLOTS): must be at least 1");
  sources.environment["TASK_SLOTS"] = "four";
  EXPECT_EQ(ErrorOf(sources), "taskmanager.slots = \"four\" (env TASK_SLOTS): must be a whole number");
  sources.environment = {{"STATE_BACKEND", "heap"}};
  EXPECT_EQ(ErrorOf(sources), "state.backend = \"heap\" (env STATE_BACKEND): must be one of memory|rocksdb");
  sources.environment = {{"POSTGRES_PORT", "65536"}};
  EXPECT_EQ(ErrorOf(sources), "postgres.port = \"65536\" (env POSTGRES_PORT): must be at most 65535");
  sources.environment = {{"HEARTBEAT_INTERVAL", "1 fortnight"}};
  EXPECT_NE(ErrorOf(sources).find("not a time span"), std::string::npos);
}

TEST_F(SettingsTest, AServiceLinkIsNotAPort) {
  SettingSources sources;
  sources.environment["JOBMANAGER_RPC_PORT"] = "tcp://10.0.0.7:6123";
  const auto settings = Settings::Load(sources).ValueOrDie();
  EXPECT_EQ(settings.Port("jobmanager.rpc_port"), 6123);
  ASSERT_EQ(settings.warnings().size(), 1u);
  EXPECT_NE(settings.warnings()[0].find("JOBMANAGER_RPC_PORT"), std::string::npos);
}

TEST_F(SettingsTest, AValueThatNothingReadsYetIsSaid) {
  SettingSources sources;
  sources.environment = {{"STATE_BACKEND", "rocksdb"}, {"S3_CHECKPOINT_PATH", "s3://b/p"}, {"TASK_SLOTS", "2"}};
  const auto settings = Settings::Load(sources).ValueOrDie();
  ASSERT_EQ(settings.warnings().size(), 2u);
  EXPECT_EQ(settings.warnings()[0], "checkpoint.path (env S3_CHECKPOINT_PATH) has no effect yet in this version");
  EXPECT_EQ(settings.warnings()[1], "state.backend (env STATE_BACKEND) has no effect yet in this version");
}

TEST_F(SettingsTest, EmptyBareNamesAreNotSet) {
  SettingSources sources;
  sources.environment = {{"TASK_SLOTS", ""}, {"POSTGRES_DB", ""}, {"POSTGRES_PASSWORD_FILE", ""}};
  const auto settings = Settings::Load(sources).ValueOrDie();
  EXPECT_EQ(settings.Int("taskmanager.slots"), 4);
  EXPECT_EQ(settings.String("postgres.db"), "stream_processing");
}

TEST_F(SettingsTest, SecretsComeFromFilesAndNeverShow) {
  SettingSources sources;
  sources.environment = {{"POSTGRES_PASSWORD_FILE", File("pw", "s3cret\n")}, {"HEADRACE_REST__TOKEN", "t0ken"}};
  const auto settings = Settings::Load(sources).ValueOrDie();
  EXPECT_EQ(settings.String("postgres.password"), "s3cret");
  EXPECT_EQ(settings.origin("postgres.password"), "env POSTGRES_PASSWORD_FILE");
  for (const std::string& text : {settings.Render(true), settings.Render(false), settings.ToJson()}) {
    EXPECT_EQ(text.find("s3cret"), std::string::npos);
    EXPECT_EQ(text.find("t0ken"), std::string::npos);
    EXPECT_NE(text.find("********"), std::string::npos);
  }
}

TEST_F(SettingsTest, ASecretGivenTwiceAndAFileForANonSecretAreRefused) {
  SettingSources sources;
  sources.environment = {{"POSTGRES_PASSWORD_FILE", File("pw", "a")}, {"POSTGRES_PASSWORD", "b"}};
  EXPECT_EQ(ErrorOf(sources), "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set");
  sources.environment = {{"HEADRACE_POSTGRES__HOST_FILE", File("pw", "a")}};
  EXPECT_NE(ErrorOf(sources).find("is not a setting"), std::string::npos);
  sources.environment = {{"POSTGRES_PASSWORD_FILE", "/nonexistent/pw"}};
  EXPECT_NE(ErrorOf(sources).find("postgres.password"), std::string::npos);
}

TEST_F(SettingsTest, AWeakerSecretFileGivesWayToAStrongerName) {
  SettingSources sources;
  sources.config_file = File("h.yaml", "postgres:\n  password_file: " + File("pw", "weak") + "\n");
  EXPECT_EQ(Settings::Load(sources)->String("postgres.password"), "weak");
  sources.environment["POSTGRES_PASSWORD"] = "strong";
  EXPECT_EQ(Settings::Load(sources)->String("postgres.password"), "strong");
}

TEST_F(SettingsTest, RenderShowsEveryKeyWithItsOrigin) {
  SettingSources sources;
  sources.environment["TASK_SLOTS"] = "8";
  const auto settings = Settings::Load(sources).ValueOrDie();
  const std::string text = settings.Render(true);
  EXPECT_NE(text.find("taskmanager.slots = 8 "), std::string::npos);
  EXPECT_NE(text.find("# env TASK_SLOTS\n"), std::string::npos);
  for (const auto& spec : SettingSpecs()) EXPECT_NE(text.find(std::string(spec.key) + " = "), std::string::npos) << spec.key;
  EXPECT_EQ(nlohmann::json::parse(settings.ToJson())["taskmanager.slots"]["value"], "8");
}

TEST_F(SettingsTest, TheHomeFolderStandsForATilde) {
  SettingSources sources;
  sources.environment["HOME"] = "/home/ada";
  EXPECT_EQ(Settings::Load(sources)->Path("data.dir"), "/home/ada/.headrace");
  sources.environment["HEADRACE_DATA_DIR"] = "/srv/x";
  EXPECT_EQ(Settings::Load(sources)->Path("data.dir"), "/srv/x");
}

TEST_F(SettingsTest, TheTableIsConsistent) {
  std::set<std::string> names;
  for (const auto& spec : SettingSpecs()) {
    EXPECT_TRUE(names.insert(std::string(spec.key)).second) << spec.key;
    EXPECT_TRUE(names.insert(EnvironmentNameOf(spec)).second) << spec.key;
    EXPECT_TRUE(spec.bare_name.empty() || names.insert(std::string(spec.bare_name)).second) << spec.key;
    EXPECT_EQ(std::count(spec.key.begin(), spec.key.end(), '.'), 1) << spec.key;
    EXPECT_EQ(spec.readers.find_first_not_of("jtlc"), std::string_view::npos) << spec.key;
    EXPECT_GT(spec.help.size(), 5u) << spec.key;
  }
  EXPECT_TRUE(Settings::Load({}).ok());
}

TEST(SettingsDeathTest, AskingForAKeyThatIsNotInTheTableIsABug) {
  const auto settings = Settings::Load({}).ValueOrDie();
  EXPECT_DEATH(settings.Int("rest.prt"), "rest.prt");
  EXPECT_DEATH(settings.Int("rest.port"), "rest.port");
}

}  // namespace
}  // namespace headrace
