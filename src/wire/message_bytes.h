#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace google::protobuf {
class Message;
}

namespace headrace::wire {

/// Parses `bytes` into `message`, but only after counting its fields at all levels: some two-byte fields become objects of a
/// hundred bytes, so a small file could otherwise take all memory. `what` names the message for people.
/// Errors: `code` when it cannot be decoded or has more than `max_fields` fields. Any thread.
Status ParseWithin(std::size_t max_fields, std::string_view bytes, std::string_view what, ErrorCode code,
                   google::protobuf::Message* message);

/// The same bytes for equal messages, maps included, so that hashes of them can be compared.
std::string StableBytes(const google::protobuf::Message& message);

inline constexpr std::size_t kMaxPlanFields = 400'000;

}  // namespace headrace::wire
