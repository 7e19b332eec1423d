#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include "base/nearest_name.h"
#include "base/settings.h"
#include "base/units.h"

extern char** environ;

namespace headrace {
namespace {

constexpr std::size_t kMaxFileBytes = 1u << 20;
constexpr std::size_t kMaxSecretBytes = 64u << 10;

Status Bad(std::string message, std::string hint = {}) { return Error(ErrorCode::kBadSetting, std::move(message), std::move(hint)); }

Result<std::string> ReadFile(const std::string& path, std::size_t cap, std::string_view what) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Bad(fmt::format("{} \"{}\" cannot be read", what, path), "Check the path and its permissions.");
  std::string text(cap + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return Bad(fmt::format("{} \"{}\" cannot be read", what, path), "Check that it is a file.");
  if (text.size() > cap) return Bad(fmt::format("{} \"{}\" is larger than {}", what, path, FormatBytes(static_cast<std::int64_t>(cap))));
  return text;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseBoolean(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"})
    if (text == yes) return 1;
  for (const std::string_view no : {"false", "no", "off", "0"})
    if (text == no) return 0;
  return std::nullopt;
}

bool ChoiceHas(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, bar) == value) return true;
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return false;
}

Status CheckRange(std::int64_t value, std::string_view rule) {
  const std::size_t dots = rule.find("..");
  if (dots == std::string_view::npos) return Status::OK();
  const auto low = ParseInteger(rule.substr(0, dots));
  const auto high = ParseInteger(rule.substr(dots + 2));
  if (low && value < *low) return Status::Invalid(fmt::format("must be at least {}", *low));
  if (high && value > *high) return Status::Invalid(fmt::format("must be at most {}", *high));
  return Status::OK();
}

/// The number behind `text`, 0 for texts; Invalid says what was expected.
Result<std::int64_t> ParseValue(const SettingSpec& spec, const std::string& text) {
  std::int64_t number = 0;
  switch (spec.type) {
    case SettingType::kString:
    case SettingType::kList:
      return number;
    case SettingType::kChoice: {
      if (ChoiceHas(spec.rule, text)) return number;
      return Status::Invalid(fmt::format("must be one of {}", spec.rule));
    }
    case SettingType::kBool: {
      const auto value = ParseBoolean(text);
      if (!value) return Status::Invalid("must be true or false");
      return *value;
    }
    case SettingType::kInt:
    case SettingType::kPort: {
      const auto value = ParseInteger(text);
      if (!value) return Status::Invalid("must be a whole number");
      number = *value;
      break;
    }
    case SettingType::kBytes: {
      HR_ASSIGN_OR_RAISE(number, ParseBytes(text));
      break;
    }
    case SettingType::kDurationMs: {
      HR_ASSIGN_OR_RAISE(number, ParseDurationMs(text));
      break;
    }
  }
  HR_RETURN_NOT_OK(CheckRange(number, spec.rule));
  return number;
}

const SettingSpec* FindSpec(std::string_view key) {
  for (const SettingSpec& spec : SettingSpecs()) {
    if (spec.key == key) return &spec;
  }
  return nullptr;
}

Status UnknownKey(std::string_view what, std::string_view name, const std::vector<std::string>& candidates) {
  const std::string_view nearest = NearestName(name, {candidates.begin(), candidates.end()});
  return Bad(fmt::format("{} \"{}\" is not a setting{}", what, name.substr(0, 128),
                         nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)));
}

std::vector<std::string> AllKeys() {
  std::vector<std::string> keys;
  for (const SettingSpec& spec : SettingSpecs()) keys.emplace_back(spec.key);
  return keys;
}

}  // namespace

/// Builds one Settings, layer by layer from the weakest to the strongest. Lives for the length of Load().
class SettingsLoader {
 public:
  explicit SettingsLoader(const SettingSources& sources) : sources_(sources) {}

  Result<Settings> Run() {
    for (const SettingSpec& spec : SettingSpecs()) HR_RETURN_NOT_OK(Set(spec, std::string(spec.default_value), "default"));
    HR_RETURN_NOT_OK(AddFile());
    HR_RETURN_NOT_OK(AddBareNames());
    HR_RETURN_NOT_OK(AddSectionNames());
    HR_RETURN_NOT_OK(AddFlags());
    WarnOfNoEffect();
    const auto home = sources_.environment.find("HOME");
    settings_.home_ = home == sources_.environment.end() || home->second.empty() ? "." : home->second;
    return std::move(settings_);
  }

 private:
  Status Set(const SettingSpec& spec, std::string text, std::string origin) {
    const auto number = ParseValue(spec, text);
    if (!number.ok()) {
      const std::string shown = spec.secret ? "" : fmt::format(" = \"{}\"", text.substr(0, 128));
      return Bad(fmt::format("{}{} ({}): {}", spec.key, shown, origin, number.status().message()), std::string(spec.help) + ".");
    }
    settings_.values_[std::string(spec.key)] = {std::move(text), std::move(origin), *number};
    return Status::OK();
  }

  void WarnOfNoEffect() {
    for (const SettingSpec& spec : SettingSpecs()) {
      if (spec.readers.empty() && !settings_.is_default(spec.key))
        settings_.warnings_.push_back(fmt::format("{} ({}) has no effect yet in this version", spec.key, settings_.origin(spec.key)));
    }
  }

  /// A secret's value from the file that `path` names; one line end is dropped.
  Status SetFromFile(const SettingSpec& spec, const std::string& path, const std::string& origin) {
    HR_ASSIGN_OR_RAISE(std::string text, ReadFile(path, kMaxSecretBytes, fmt::format("the file of {} ({})", spec.key, origin)));
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return Set(spec, std::move(text), origin);
  }

  const std::string* Environment(const std::string& name) const {
    const auto found = sources_.environment.find(name);
    return found == sources_.environment.end() ? nullptr : &found->second;
  }

  Status AddEnvironmentName(const SettingSpec& spec, const std::string& name, bool empty_counts) {
    const std::string* value = Environment(name);
    if (value != nullptr && value->empty() && !empty_counts) value = nullptr;
    const std::string* file = spec.secret ? Environment(name + "_FILE") : nullptr;
    if (file != nullptr && file->empty()) file = nullptr;
    if (value != nullptr && file != nullptr) return Bad(fmt::format("both {} and {}_FILE are set", name, name), "Keep one of them.");
    if (file != nullptr) return SetFromFile(spec, *file, "env " + name + "_FILE");
    if (value == nullptr) return Status::OK();
    if (spec.type == SettingType::kPort && value->rfind("tcp://", 0) == 0) {
      settings_.warnings_.push_back(fmt::format("{}={} is a service link of Kubernetes, not a port: ignored", name, *value));
      return Status::OK();
    }
    return Set(spec, *value, "env " + name);
  }

  Status AddBareNames() {
    for (const SettingSpec& spec : SettingSpecs()) {
      // An empty bare name is what Compose makes of ${NAME:-}: not set.
      if (!spec.bare_name.empty()) HR_RETURN_NOT_OK(AddEnvironmentName(spec, std::string(spec.bare_name), false));
    }
    return Status::OK();
  }

  Status AddSectionNames() {
    std::vector<std::string> names;
    for (const SettingSpec& spec : SettingSpecs()) {
      names.push_back(EnvironmentNameOf(spec));
      if (spec.secret) names.push_back(names.back() + "_FILE");
    }
    for (const auto& [name, value] : sources_.environment) {
      if (name.rfind("HEADRACE_", 0) != 0 || name.find("__") == std::string::npos) continue;
      if (std::find(names.begin(), names.end(), name) == names.end()) return UnknownKey("the environment name", name, names);
    }
    for (const SettingSpec& spec : SettingSpecs()) HR_RETURN_NOT_OK(AddEnvironmentName(spec, EnvironmentNameOf(spec), true));
    return Status::OK();
  }

  Status AddKey(const std::string& key, const std::string& value, const std::string& origin, std::string_view what) {
    if (const SettingSpec* spec = FindSpec(key)) return Set(*spec, value, origin);
    if (key.size() > 5 && key.compare(key.size() - 5, 5, "_file") == 0) {
      const SettingSpec* spec = FindSpec(std::string_view(key).substr(0, key.size() - 5));
      if (spec != nullptr && spec->secret) return SetFromFile(*spec, value, origin);
    }
    return UnknownKey(what, key, AllKeys());
  }

  Status AddFlags() {
    for (const SettingFlag& flag : sources_.flags) {
      HR_RETURN_NOT_OK(AddKey(flag.key, flag.value, "flag " + (flag.flag.empty() ? "--" + flag.key : flag.flag), "the flag for"));
    }
    return Status::OK();
  }

  Status AddFile() {
    if (sources_.config_file.empty()) return Status::OK();
    HR_ASSIGN_OR_RAISE(const std::string text, ReadFile(sources_.config_file, kMaxFileBytes, "the configuration file"));
    try {
      const YAML::Node root = YAML::Load(text);
      if (root.IsNull()) return Status::OK();
      if (!root.IsMap())
        return Bad(fmt::format("{} must hold sections with keys", sources_.config_file), "For example:\nrest:\n  port: 8081");
      return AddYamlMap(root, "");
    } catch (const YAML::Exception& e) {
      return Bad(fmt::format("{}:{} is not valid YAML: {}", sources_.config_file, e.mark.line + 1, e.msg),
                 "Check indentation and quotes there.");
    }
  }

  Status AddYamlMap(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      const std::string place = fmt::format("file {}:{}", sources_.config_file, entry.first.Mark().line + 1);
      if (!entry.first.IsScalar()) return Bad(place + ": a key must be a plain word");
      const std::string key = prefix + entry.first.Scalar();
      const bool section = entry.second.IsMap() && prefix.empty() && key.find('.') == std::string::npos;
      if (section) {
        HR_RETURN_NOT_OK(AddYamlMap(entry.second, key + "."));
        continue;
      }
      if (!seen_in_file_.insert(key).second) return Bad(fmt::format("{}: {} is set twice in the file", place, key), "Keep one of them.");
      HR_ASSIGN_OR_RAISE(const std::string value, YamlText(entry.second, key, place));
      HR_RETURN_NOT_OK(AddKey(key, value, place, place + ":"));
    }
    return Status::OK();
  }

  static Result<std::string> YamlText(const YAML::Node& node, const std::string& key, const std::string& place) {
    if (node.IsNull()) return std::string();
    if (node.IsScalar()) return node.Scalar();
    if (!node.IsSequence()) return Bad(fmt::format("{}: {} must be a plain value or a list", place, key));
    std::string text;
    for (const auto& part : node) {
      if (!part.IsScalar()) return Bad(fmt::format("{}: {} must be a list of plain values", place, key));
      if (!text.empty()) text += ',';
      text += part.Scalar();
    }
    return text;
  }

  const SettingSources& sources_;
  Settings settings_;
  std::set<std::string> seen_in_file_;
};

Result<Settings> Settings::Load(const SettingSources& sources) { return SettingsLoader(sources).Run(); }

Result<Settings> Settings::Of(const std::vector<std::pair<std::string, std::string>>& overrides) {
  SettingSources sources;
  for (const auto& [key, value] : overrides) sources.flags.push_back({key, value, ""});
  return Load(sources);
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace headrace
