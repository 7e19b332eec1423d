#include "wire/join_message.h"

#include <fmt/format.h>

#include <utility>

#include "proto/plan.pb.h"
#include "wire/relational_message.h"

namespace headrace::wire {
namespace {

Status Unknown(std::string_view what, int number) {
  return Error(ErrorCode::kUnknownFeature, fmt::format("the graph has a {} ({}) that this cluster does not know", what, number));
}

}  // namespace

// The numbers of kinds and bounds are the same on both sides.
void ToMessage(const plan::JoinSpec& spec, proto::Join* message) {
  message->set_kind(static_cast<proto::Join::Kind>(spec.kind));
  message->set_bound(static_cast<proto::Join::Bound>(spec.bound));
  for (const std::string& key : spec.left_keys) message->add_left_keys(key);
  for (const std::string& key : spec.right_keys) message->add_right_keys(key);
  if (spec.window.kind != plan::Window::Kind::kNone || spec.window.processing_time) ToMessage(spec.window, message->mutable_window());
  message->set_lower_ms(spec.lower_ms);
  message->set_upper_ms(spec.upper_ms);
  message->set_left_ttl_ms(spec.ttl_ms[0]);
  message->set_right_ttl_ms(spec.ttl_ms[1]);
  message->set_suffix(spec.suffix);
  message->set_left_late_tag(spec.late_tags[0]);
  message->set_right_late_tag(spec.late_tags[1]);
}

Result<plan::JoinSpec> FromMessage(const proto::Join& message) {
  if (!proto::Join::Kind_IsValid(message.kind())) return Unknown("kind of join", message.kind());
  if (!proto::Join::Bound_IsValid(message.bound())) return Unknown("bound of a join", message.bound());
  plan::JoinSpec spec;
  spec.kind = static_cast<plan::JoinSpec::Kind>(message.kind());
  spec.bound = static_cast<plan::JoinSpec::Bound>(message.bound());
  spec.left_keys = {message.left_keys().begin(), message.left_keys().end()};
  spec.right_keys = {message.right_keys().begin(), message.right_keys().end()};
  HR_ASSIGN_OR_RAISE(spec.window, FromMessage(message.window()));
  spec.lower_ms = message.lower_ms();
  spec.upper_ms = message.upper_ms();
  spec.ttl_ms = {message.left_ttl_ms(), message.right_ttl_ms()};
  spec.suffix = message.suffix();
  spec.late_tags = {message.left_late_tag(), message.right_late_tag()};
  return spec;
}

void ToMessage(const plan::DeduplicateSpec& spec, proto::Deduplicate* message) {
  for (const std::string& key : spec.keys) message->add_keys(key);
  message->set_last(spec.last);
  message->set_by_event_time(spec.by_event_time);
  message->set_ttl_ms(spec.ttl_ms);
}

Result<plan::DeduplicateSpec> FromMessage(const proto::Deduplicate& message) {
  return plan::DeduplicateSpec{{message.keys().begin(), message.keys().end()}, message.last(), message.by_event_time(), message.ttl_ms()};
}

Result<plan::Changelog> ChangelogFromNumber(int number) {
  if (!proto::Changelog_IsValid(number)) return Unknown("changelog", number);
  return static_cast<plan::Changelog>(number);
}

}  // namespace headrace::wire
