#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/ids.h"

namespace headrace::wire {

using Sha256 = std::array<std::uint8_t, 32>;

/// Hash of the parts as if they were one string. Any thread.
Sha256 Sha256Of(std::initializer_list<std::string_view> parts);
/// The name of a blob: lower-case hex of its sha256.
BlobId BlobIdOf(std::string_view content);
/// From 32 raw bytes; the empty id when they are not 32.
BlobId BlobIdFromRaw(std::string_view raw);
/// 32 raw bytes; empty when `id` is not 64 hex digits.
std::string RawOf(const BlobId& id);

}  // namespace headrace::wire
