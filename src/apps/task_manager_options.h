#pragma once
#include <string>

#include "base/settings.h"
#include "data/taskmanager/task_manager_host.h"

namespace headrace::apps {

/// What the settings say of a TaskManager; identity, addresses and ports are the caller's to fill in.
/// `own_python` = the version of the workers' Python, empty when it is not known.
data::taskmanager::TaskManagerHostOptions TaskManagerOptionsFrom(const Settings& settings, const std::string& own_python);

}  // namespace headrace::apps
