#pragma once
#include "base/status.h"
#include "plan/changelog.h"
#include "plan/join.h"

namespace headrace::proto {
class Deduplicate;
class Join;
}  // namespace headrace::proto

namespace headrace::wire {

// Joins and deduplication as protobuf messages, both ways. For wire's own sources only. Decoding checks form, not sense.
void ToMessage(const plan::JoinSpec& spec, proto::Join* message);
Result<plan::JoinSpec> FromMessage(const proto::Join& message);
void ToMessage(const plan::DeduplicateSpec& spec, proto::Deduplicate* message);
Result<plan::DeduplicateSpec> FromMessage(const proto::Deduplicate& message);
Result<plan::Changelog> ChangelogFromNumber(int number);

}  // namespace headrace::wire
