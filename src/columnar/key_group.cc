#include "columnar/key_group.h"

#include <xxhash.h>

namespace headrace::columnar {

std::uint64_t HashKey(std::string_view key_bytes) { return XXH3_64bits(key_bytes.data(), key_bytes.size()); }

}  // namespace headrace::columnar
