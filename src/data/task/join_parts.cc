#include "data/task/join_parts.h"

#include <arrow/type.h>

#include <array>

#include "data/join/deduplicate.h"
#include "data/join/interval_join.h"
#include "data/join/regular_join.h"
#include "data/join/running_top.h"
#include "data/join/updating_aggregate.h"
#include "data/join/version_join.h"
#include "data/join/window_join.h"
#include "plan/row_schema.h"

namespace headrace::data::task {
namespace {

Result<std::unique_ptr<op::Operator>> MakeJoin(const plan::OperatorSpec& spec, const plan::JoinSpec& join, const Schemas& inputs,
                                               const std::vector<plan::Changelog>& changelogs) {
  using Bound = plan::JoinSpec::Bound;
  HR_ASSIGN_OR_RAISE(const plan::JoinColumns columns, plan::ColumnsOf(spec, join, inputs));
  const std::array<std::shared_ptr<arrow::Schema>, 2> sides = {inputs[0], inputs[1]};
  if (join.bound == Bound::kWindow || columns.by_window_columns) return join::WindowJoin::Make(join, columns, sides);
  if (join.bound == Bound::kInterval) return join::IntervalJoin::Make(join, columns, sides);
  if (join.bound == Bound::kVersion) return join::VersionJoin::Make(join, columns, sides);
  return join::RegularJoin::Make(join, columns, sides, changelogs[1] != plan::Changelog::kAppend,
                                 spec.changelog != plan::Changelog::kAppend);
}

}  // namespace

bool IsJoinPart(const plan::OperatorSpec& spec) {
  if (std::holds_alternative<plan::JoinSpec>(spec.kind) || std::holds_alternative<plan::DeduplicateSpec>(spec.kind)) return true;
  const auto* aggregate = std::get_if<plan::AggregateSpec>(&spec.kind);
  if (aggregate != nullptr) return aggregate->window.kind == plan::Window::Kind::kNone;
  const auto* top = std::get_if<plan::TopSpec>(&spec.kind);
  return top != nullptr && spec.changelog != plan::Changelog::kAppend;
}

Result<std::unique_ptr<op::Operator>> MakeJoinPart(const plan::OperatorSpec& spec, const Schemas& inputs,
                                                   const std::vector<plan::Changelog>& changelogs, op::FoldBook* folds) {
  const bool before = spec.changelog == plan::Changelog::kRetract;
  if (const auto* join = std::get_if<plan::JoinSpec>(&spec.kind)) return MakeJoin(spec, *join, inputs, changelogs);
  if (const auto* deduplicate = std::get_if<plan::DeduplicateSpec>(&spec.kind))
    return join::Deduplicate::Make(*deduplicate, inputs[0], before);
  const bool updates = changelogs[0] != plan::Changelog::kAppend;
  if (const auto* aggregate = std::get_if<plan::AggregateSpec>(&spec.kind))
    return join::UpdatingAggregate::Make(*aggregate, inputs[0], spec.schema, updates, before, folds);
  return join::RunningTop::Make(std::get<plan::TopSpec>(spec.kind), inputs[0], spec.schema, changelogs[0] != plan::Changelog::kAppend,
                                before);
}

}  // namespace headrace::data::task
