#pragma once
#include <string>

#include "control/job/dispatcher.h"

namespace headrace::control::rest {

/// The body of GET /jobs/{id}/watermarks. Pure; bytes that are not UTF-8 are replaced.
std::string JobWatermarksJson(const job::JobView& job);

}  // namespace headrace::control::rest
