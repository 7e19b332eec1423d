#include "wire/lookup_message.h"

#include <memory>
#include <utility>

#include "proto/plan.pb.h"

namespace headrace::wire {

Result<plan::LookupSpec> FromMessage(const proto::Lookup& message, plan::ConnectorSpec table) {
  plan::LookupSpec spec;
  if (message.left_size() != message.right_size())
    return Error(ErrorCode::kInvalidPlan, "a lookup join has as many columns of its table as of its stream");
  for (int i = 0; i < message.left_size(); ++i) spec.on.emplace_back(message.left(i), message.right(i));
  spec.keep_unmatched = message.keep_unmatched();
  spec.table = std::make_shared<const plan::ConnectorSpec>(std::move(table));
  return spec;
}

void ToMessage(const plan::LookupSpec& spec, proto::Lookup* message) {
  for (const auto& [left, right] : spec.on) {
    message->add_left(left);
    message->add_right(right);
  }
  message->set_keep_unmatched(spec.keep_unmatched);
}

}  // namespace headrace::wire
