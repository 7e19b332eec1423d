#include "base/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace headrace {
namespace {

const SettingSpec& SpecOf(std::string_view key) {
  for (const SettingSpec& spec : SettingSpecs()) {
    if (spec.key == key) return spec;
  }
  CheckFailed(__FILE__, __LINE__, "settings.def has the key", key);
}

std::string_view Masked(const SettingSpec& spec, std::string_view value) {
  return spec.secret && !value.empty() ? std::string_view("********") : value;
}

}  // namespace

const std::vector<SettingSpec>& SettingSpecs() {
  static const std::vector<SettingSpec> specs = {
#define HEADRACE_SETTING(key, bare, type, default_value, rule, secret, readers, help) \
  {key, bare, SettingType::type, default_value, rule, secret, readers, help},
#include "base/settings.def"
#undef HEADRACE_SETTING
  };
  return specs;
}

std::string EnvironmentNameOf(const SettingSpec& spec) {
  std::string name = "HEADRACE_";
  for (const char c : spec.key) {
    if (c == '.') {
      name += "__";
    } else {
      name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return name;
}

const Settings::Value& Settings::Get(std::string_view key, SettingType type) const {
  const SettingSpec& spec = SpecOf(key);
  HR_CHECK(spec.type == type || (type == SettingType::kString && spec.type == SettingType::kChoice), key);
  const auto found = values_.find(key);
  HR_CHECK(found != values_.end(), key);
  return found->second;
}

const std::string& Settings::String(std::string_view key) const { return Get(key, SettingType::kString).text; }
std::int64_t Settings::Int(std::string_view key) const { return Get(key, SettingType::kInt).number; }
bool Settings::Bool(std::string_view key) const { return Get(key, SettingType::kBool).number != 0; }
std::int64_t Settings::Bytes(std::string_view key) const { return Get(key, SettingType::kBytes).number; }
std::int64_t Settings::DurationMs(std::string_view key) const { return Get(key, SettingType::kDurationMs).number; }
std::uint16_t Settings::Port(std::string_view key) const { return static_cast<std::uint16_t>(Get(key, SettingType::kPort).number); }

std::vector<std::string> Settings::List(std::string_view key) const {
  std::vector<std::string> parts;
  std::string_view rest = Get(key, SettingType::kList).text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view part = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::string Settings::Path(std::string_view key) const {
  const std::string& text = String(key);
  if (text != "~" && text.rfind("~/", 0) != 0) return text;
  return home_ + text.substr(1);
}

bool Settings::is_default(std::string_view key) const { return origin(key) == "default"; }

const std::string& Settings::origin(std::string_view key) const {
  const auto found = values_.find(key);
  HR_CHECK(found != values_.end(), key);
  return found->second.origin;
}

std::string Settings::Render(bool with_origin) const {
  std::string text;
  for (const SettingSpec& spec : SettingSpecs()) {
    const Value& value = values_.find(spec.key)->second;
    const std::string line = fmt::format("{} = {}", spec.key, Masked(spec, value.text));
    text += with_origin ? fmt::format("{:<56} # {}\n", line, value.origin) : line + "\n";
  }
  return text;
}

std::string Settings::ToJson() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const SettingSpec& spec : SettingSpecs()) {
    const Value& value = values_.find(spec.key)->second;
    json[std::string(spec.key)] = {{"value", Masked(spec, value.text)}, {"origin", value.origin}};
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace headrace
