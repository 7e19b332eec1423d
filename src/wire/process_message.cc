#include "wire/process_message.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include "wire/relational_message.h"

namespace headrace::wire {

void ToMessage(const plan::ProcessSpec& spec, proto::ProcessFunction* message) {
  message->mutable_function()->set_pickled(spec.pickled);
  message->mutable_function()->set_display_name(spec.display_name);
  if (spec.returns != nullptr) ToMessage(*spec.returns, message->mutable_function()->mutable_returns());
  for (const std::string& key : spec.keys) message->add_keys(key);
  message->set_two_inputs(spec.two_inputs);
  for (const std::string& key : spec.second_keys) message->add_second_keys(key);
  message->set_broadcast(spec.broadcast);
  message->set_triggers(spec.triggers);
  message->set_library(spec.library);
  message->set_native_options(spec.native_options);
  for (const plan::StateDeclaration& state : spec.states) {
    proto::StateDeclaration* added = message->add_states();
    added->set_name(state.name);
    added->set_kind(static_cast<proto::StateDeclaration::Kind>(state.kind));
    added->set_ttl_ms(state.ttl_ms);
    added->set_refresh_on_read(state.refresh_on_read);
  }
}

Result<plan::ProcessSpec> FromMessage(const proto::ProcessFunction& message) {
  plan::ProcessSpec spec;
  spec.pickled = message.function().pickled();
  spec.display_name = message.function().display_name();
  HR_ASSIGN_OR_RAISE(spec.returns, FromMessage(message.function().returns()));
  spec.keys = {message.keys().begin(), message.keys().end()};
  spec.two_inputs = message.two_inputs();
  spec.second_keys = {message.second_keys().begin(), message.second_keys().end()};
  spec.broadcast = message.broadcast();
  spec.triggers = message.triggers();
  spec.library = message.library();
  spec.native_options = message.native_options();
  for (const proto::StateDeclaration& state : message.states()) {
    if (state.kind() < proto::StateDeclaration::VALUE || state.kind() > proto::StateDeclaration::AGGREGATING)
      return Error(ErrorCode::kUnknownFeature,
                   fmt::format("the job has a kind of state ({}) that this cluster does not know", static_cast<int>(state.kind())));
    spec.states.push_back({state.name(), static_cast<plan::StateDeclaration::Kind>(state.kind()), state.ttl_ms(), state.refresh_on_read()});
  }
  return spec;
}

}  // namespace headrace::wire
