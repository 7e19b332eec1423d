#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::taskmanager {

/// Caps of one archive once it is unpacked.
struct ArchiveLimits {
  std::uint64_t max_bytes = 2ull << 30;
  std::uint64_t max_entries = 100'000;
};

/// Unpacks a gzip-compressed tar into `directory`, which must exist and belong to nobody else. Takes regular files and folders
/// only (links, devices and everything else are refused), names of at most 1 KiB without absolute paths and "..", files with
/// mode 0644 or 0755. Invalid with the entry's name; what was written before stays behind. Blocks on disk: not on an executor
/// that others wait for.
Status UnpackArchive(std::string_view gzipped, const std::string& directory, const ArchiveLimits& limits = {});

}  // namespace headrace::data::taskmanager
