#pragma once
#include "base/settings.h"

namespace headrace::apps::cli {

/// Looks at what running Headrace needs (cores, memory, disk, Python workers, container engine, ports, servers named in the
/// settings) and prints one line a check: ok, warn or FAIL, with advice. Returns how many failed. Blocking, main thread.
int RunDoctor(const Settings& settings);

}  // namespace headrace::apps::cli
