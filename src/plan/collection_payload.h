#pragma once
#include <string_view>

#include "base/status.h"

namespace headrace::plan {

/// Is the payload of a collection source exactly one value-encoded list (docs/formats/value.md §1)? Invalid with the byte
/// offset otherwise. Builds no tree: memory stays flat whatever the payload.
Status CheckCollectionPayload(std::string_view payload);

}  // namespace headrace::plan
