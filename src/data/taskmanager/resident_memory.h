#pragma once
#include <cstdint>

namespace headrace::data::taskmanager {

/// Resident bytes of this process; 0 when the kernel does not say.
std::uint64_t ResidentBytes();

}  // namespace headrace::data::taskmanager
