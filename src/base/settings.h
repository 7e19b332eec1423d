#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace {

enum class SettingType { kString, kInt, kBool, kBytes, kDurationMs, kPort, kChoice, kList };

/// One row of settings.def.
struct SettingSpec {
  std::string_view key;        ///< "rest.port"
  std::string_view bare_name;  ///< "JOBMANAGER_REST_PORT", or empty
  SettingType type;
  std::string_view default_value;
  std::string_view rule;  ///< "low..high" or "a|b"
  bool secret;
  std::string_view readers;  ///< letters of j t l c; empty: has no effect yet
  std::string_view help;
};
const std::vector<SettingSpec>& SettingSpecs();
/// "HEADRACE_REST__PORT"
std::string EnvironmentNameOf(const SettingSpec& spec);

/// One value from the command line: {"rest.port", "0", "--port"}.
struct SettingFlag {
  std::string key;
  std::string value;
  std::string flag;  ///< as the user typed it, for the origin
};

/// Everything that may set a value, strongest first: flags, HEADRACE_SECTION__KEY, bare names, the file, the defaults.
struct SettingSources {
  std::vector<SettingFlag> flags;
  std::map<std::string, std::string> environment;
  std::string config_file;  ///< YAML; empty = none
};
/// A copy of the process environment.
std::map<std::string, std::string> ProcessEnvironment();

/// The settings of one process with the origin of each. A value: copy freely; read from any thread.
/// Getters end the process on a key that settings.def lacks or of another type: that is a bug, not bad input.
class Settings {
 public:
  /// kBadSetting naming the place, the value and what is expected: unknown keys (with the nearest one), wrong values,
  /// a secret given twice, files that cannot be read.
  static Result<Settings> Load(const SettingSources& sources);
  /// The defaults alone, then `overrides` (key, value): for tests and embedded use.
  static Result<Settings> Of(const std::vector<std::pair<std::string, std::string>>& overrides);

  const std::string& String(std::string_view key) const;  ///< also kChoice
  std::int64_t Int(std::string_view key) const;
  bool Bool(std::string_view key) const;
  std::int64_t Bytes(std::string_view key) const;
  std::int64_t DurationMs(std::string_view key) const;
  std::uint16_t Port(std::string_view key) const;
  std::vector<std::string> List(std::string_view key) const;  ///< trimmed, empty parts dropped
  /// A path with a leading ~ replaced by the home folder.
  std::string Path(std::string_view key) const;

  bool is_default(std::string_view key) const;
  /// "default", "env POSTGRES_HOST", "file headrace.yaml:12", "flag --port".
  const std::string& origin(std::string_view key) const;
  /// For the log at start: ignored service links, values that have no effect yet.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// `key = value` lines, with `# origin` when asked; secrets as ******** or empty.
  std::string Render(bool with_origin) const;
  /// {"rest.port": {"value": "8081", "origin": "default"}, …}, secrets masked.
  std::string ToJson() const;

 private:
  friend class SettingsLoader;
  struct Value {
    std::string text;
    std::string origin;
    std::int64_t number = 0;  // of numeric types
  };
  const Value& Get(std::string_view key, SettingType type) const;
  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> warnings_;
  std::string home_;
};

}  // namespace headrace
