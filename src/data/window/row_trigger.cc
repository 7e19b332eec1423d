#include "data/window/row_trigger.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "plan/row_schema.h"

namespace headrace::data::window {
namespace {

// The first word of a delta: what it knows. The second one: the value that it compares with.
constexpr std::uint64_t kHasValue = 1, kExceeded = 2;

}  // namespace

Result<std::unique_ptr<RowTrigger>> RowTrigger::Make(const plan::Trigger& trigger, const std::shared_ptr<arrow::Schema>& input) {
  plan::RowTrigger by_row = trigger.by_row;
  if (trigger.early_every_rows > 0) {
    plan::RowTrigger every{Kind::kRows, trigger.early_every_rows, {}, 0, {}};
    by_row = by_row.kind == Kind::kNone ? every : plan::RowTrigger{Kind::kAny, 0, {}, 0, {by_row, every}};
  }
  if (by_row.kind == Kind::kNone) return std::unique_ptr<RowTrigger>();
  auto made = std::make_unique<RowTrigger>();
  made->purges_ = trigger.purge;
  std::vector<plan::TypedExpression> expressions;
  HR_RETURN_NOT_OK(made->Compile(by_row, *input, &expressions, &made->root_));
  if (!expressions.empty()) {
    HR_ASSIGN_OR_RAISE(made->evaluator_, expression::Evaluator::Make(std::move(expressions), input));
  }
  return made;
}

Status RowTrigger::Compile(const plan::RowTrigger& trigger, const arrow::Schema& input, std::vector<plan::TypedExpression>* expressions,
                           Node* node) {
  node->kind = trigger.kind;
  node->rows = trigger.rows;
  node->threshold = trigger.threshold;
  if (trigger.expression) {
    HR_ASSIGN_OR_RAISE(auto settled, plan::SettleTrigger(trigger, input));
    node->result = static_cast<int>(expressions->size());
    expressions->push_back(std::move(settled));
    node->word = words_;
    words_ += trigger.kind == Kind::kDelta ? 2 : 1;
  }
  for (const plan::RowTrigger& part : trigger.parts) {
    node->parts.emplace_back().kind = Kind::kRows;
    HR_RETURN_NOT_OK(Compile(part, input, expressions, &node->parts.back()));
  }
  return Status::OK();
}

Status RowTrigger::Evaluate(const arrow::RecordBatch& batch) {
  if (evaluator_ == nullptr) return Status::OK();
  HR_ASSIGN_OR_RAISE(results_, evaluator_->Evaluate(batch));
  return Status::OK();
}

bool RowTrigger::Counts(std::uint64_t* state) const {
  ++state[0];
  Take(root_, state);
  if (!Holds(root_, state)) return false;
  state[0] = 0;
  Reset(root_, state);
  return true;
}

void RowTrigger::Merge(std::uint64_t* into, const std::uint64_t* from) const {
  into[0] += from[0];
  Join(root_, into, from);
}

bool RowTrigger::Has(int result) const { return results_[static_cast<std::size_t>(result)]->IsValid(row_); }

void RowTrigger::Take(const Node& node, std::uint64_t* state) const {
  for (const Node& part : node.parts) Take(part, state);
  if (node.result < 0 || !Has(node.result)) return;
  const arrow::Array& values = *results_[static_cast<std::size_t>(node.result)];
  if (node.kind == Kind::kWhen) {
    state[node.word] |= static_cast<std::uint64_t>(static_cast<const arrow::BooleanArray&>(values).Value(row_));
    return;
  }
  const double value = static_cast<const arrow::DoubleArray&>(values).Value(row_);
  std::uint64_t& known = state[node.word];
  if ((known & kHasValue) == 0)
    state[node.word + 1] = std::bit_cast<std::uint64_t>(value);
  else if (std::fabs(value - std::bit_cast<double>(state[node.word + 1])) > node.threshold)
    known |= kExceeded;
  known |= kHasValue;
}

bool RowTrigger::Holds(const Node& node, const std::uint64_t* state) const {
  const auto holds = [&](const Node& part) { return Holds(part, state); };
  switch (node.kind) {
    case Kind::kRows:
      return state[0] >= node.rows;
    case Kind::kWhen:
      return state[node.word] != 0;
    case Kind::kDelta:
      return (state[node.word] & kExceeded) != 0;
    case Kind::kAny:
      return std::any_of(node.parts.begin(), node.parts.end(), holds);
    default:
      return std::all_of(node.parts.begin(), node.parts.end(), holds);
  }
}

/// A delta compares with the row at which the trigger fired.
void RowTrigger::Reset(const Node& node, std::uint64_t* state) const {
  for (const Node& part : node.parts) Reset(part, state);
  if (node.kind == Kind::kWhen) state[node.word] = 0;
  if (node.kind != Kind::kDelta) return;
  state[node.word] &= ~kExceeded;
  if (!Has(node.result)) return;
  const arrow::Array& values = *results_[static_cast<std::size_t>(node.result)];
  state[node.word + 1] = std::bit_cast<std::uint64_t>(static_cast<const arrow::DoubleArray&>(values).Value(row_));
}

void RowTrigger::Join(const Node& node, std::uint64_t* into, const std::uint64_t* from) const {
  for (const Node& part : node.parts) Join(part, into, from);
  if (node.result < 0) return;
  if (node.kind == Kind::kDelta && (into[node.word] & kHasValue) == 0) into[node.word + 1] = from[node.word + 1];
  into[node.word] |= from[node.word];
}

}  // namespace headrace::data::window
