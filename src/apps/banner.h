#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/settings.h"

namespace headrace::apps {

/// The lines that a process prints once when it is up: what it is, where it listens, what it stands on, which settings were
/// changed and by what. On a terminal as a block, otherwise as one log line.
void PrintBanner(const std::string& process, const std::vector<std::pair<std::string, std::string>>& facts, const Settings& settings);
/// Log settings, warnings of the loader.
void ConfigureProcess(const Settings& settings);

}  // namespace headrace::apps
