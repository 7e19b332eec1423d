#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/nearest_name.h"
#include "plan/function_types.h"
#include "plan/job_graph.h"
#include "plan/row_schema.h"

namespace headrace::plan {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
constexpr std::int64_t kMaxSpanMs = 10ll * 366 * 86'400'000;

Status Wrong(const OperatorSpec& spec, std::string what, std::string hint = {}) {
  return Error(ErrorCode::kInvalidPlan, fmt::format("{}: {}", spec.Describe(), what), std::move(hint));
}

Result<int> KeyIndex(const OperatorSpec& spec, const std::string& name, const arrow::Schema& schema, const char* side) {
  const int index = schema.GetFieldIndex(name);
  if (index < 0) {
    std::vector<std::string_view> names;
    for (const auto& field : schema.fields()) names.push_back(field->name());
    return Wrong(spec, fmt::format("{} has no column \"{:.100}\"{}", side, name, DidYouMean(name, names)),
                 fmt::format("It has {}.", fmt::join(names, ", ")));
  }
  const arrow::DataType& type = *schema.field(index)->type();
  const auto id = type.id();
  if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY)
    return Wrong(spec, fmt::format("\"{}\" is a {}, which is no key", name, TypeName(type)),
                 "Take a number, text, bool, date or timestamp.");
  return index;
}

bool IsWindowTime(const arrow::Schema& schema, const char* name) {
  const auto field = schema.GetFieldByName(name);
  return field != nullptr && field->type()->id() == arrow::Type::TIMESTAMP &&
         static_cast<const arrow::TimestampType&>(*field->type()).unit() == arrow::TimeUnit::MILLI;
}

/// True when the keys name the windows of both inputs.
Result<bool> ByWindowColumns(const OperatorSpec& spec, const JoinSpec& join, const arrow::Schema& left, const arrow::Schema& right) {
  if (join.bound != JoinSpec::Bound::kNone) return false;
  bool start = false, end = false;
  for (std::size_t i = 0; i < join.left_keys.size(); ++i) {
    start = start || (join.left_keys[i] == kWindowStart && join.right_keys[i] == kWindowStart);
    end = end || (join.left_keys[i] == kWindowEnd && join.right_keys[i] == kWindowEnd);
  }
  if (!start && !end) return false;
  for (const auto* schema : {&left, &right})
    if (!IsWindowTime(*schema, kWindowStart) || !IsWindowTime(*schema, kWindowEnd)) return false;
  if (start != end)
    return Wrong(spec, fmt::format("on names {} alone", start ? kWindowStart : kWindowEnd),
                 "Name window_start and window_end to join window by window.");
  return true;
}

Status CheckBound(const OperatorSpec& spec, const JoinSpec& join) {
  using Bound = JoinSpec::Bound;
  if (join.bound == Bound::kWindow) {
    const auto kind = join.window.kind;
    if ((kind != Window::Kind::kTumbling && kind != Window::Kind::kSliding) || join.window.processing_time)
      return Wrong(spec, "rows are joined in tumbling or sliding windows of event time",
                   "For another window, give both inputs their windows first and join on window_start and window_end.");
    if (join.window.size_ms == 0) return Wrong(spec, "the window has a size of 0", "Give it a size in ms, or a timedelta.");
    if (kind == Window::Kind::kSliding && (join.window.slide_ms == 0 || join.window.slide_ms > join.window.size_ms))
      return Wrong(spec, fmt::format("the window's slide of {} ms is not between 1 and its size of {} ms", join.window.slide_ms,
                                     join.window.size_ms));
  }
  if (join.bound == Bound::kInterval) {
    if (join.lower_ms > join.upper_ms)
      return Wrong(spec, fmt::format("the interval from {} ms to {} ms is empty", join.lower_ms, join.upper_ms),
                   "The first bound is the lower one.");
    if (join.lower_ms < -kMaxSpanMs || join.upper_ms > kMaxSpanMs) return Wrong(spec, "the interval reaches further than ten years");
  }
  if (join.bound == Bound::kVersion && join.kind != JoinSpec::Kind::kInner && join.kind != JoinSpec::Kind::kLeft)
    return Wrong(spec, "a join with versions is an inner or a left one");
  if (join.bound != Bound::kNone && (join.ttl_ms[0] != 0 || join.ttl_ms[1] != 0))
    return Wrong(spec, "rows of this join are forgotten by event time, so it takes no ttl");
  return Status::OK();
}

Status CheckLateTags(const OperatorSpec& spec, const JoinSpec& join, bool by_window_columns) {
  const auto& tags = join.late_tags;
  if (tags[0].empty() && tags[1].empty()) return Status::OK();
  if (join.bound == JoinSpec::Bound::kNone && !by_window_columns)
    return Wrong(spec, "no row is late for a join without a bound in time: a side output for late rows stays empty",
                 "Leave late_to= out, or give it window=, between= or as_of=.");
  if (join.bound == JoinSpec::Bound::kVersion && !tags[1].empty())
    return Wrong(spec, "versions are taken however late they come: a side output for late ones stays empty", "Name the left side's alone.");
  if (tags[0] == tags[1]) return Wrong(spec, "both of its sides give late rows to one side output", "Give them different tags.");
  return Status::OK();
}

}  // namespace

Result<JoinColumns> ColumnsOf(const OperatorSpec& spec, const JoinSpec& join, const std::vector<SchemaPtr>& inputs) {
  using Kind = JoinSpec::Kind;
  if (inputs.size() != 2) return Wrong(spec, fmt::format("it joins two streams, not {}", inputs.size()));
  for (const SchemaPtr& input : inputs)
    if (input == nullptr)
      return Wrong(spec, "rows of one of its streams have no columns: typed rows are joined", "Give the source a schema.");
  const arrow::Schema &left = *inputs[0], &right = *inputs[1];
  if (join.left_keys.empty() || join.left_keys.size() != join.right_keys.size())
    return Wrong(spec, "it has no columns to join on", "Name them: on=\"id\".");
  HR_RETURN_NOT_OK(CheckBound(spec, join));
  JoinColumns made;
  HR_ASSIGN_OR_RAISE(made.by_window_columns, ByWindowColumns(spec, join, left, right));
  HR_RETURN_NOT_OK(CheckLateTags(spec, join, made.by_window_columns));
  std::vector<int> key_of(static_cast<std::size_t>(right.num_fields()),
                          -1);  // of the right side's columns: the left one that stands for it
  std::vector<int> twin(static_cast<std::size_t>(left.num_fields()), -1);
  for (std::size_t i = 0; i < join.left_keys.size(); ++i) {
    HR_ASSIGN_OR_RAISE(const int l, KeyIndex(spec, join.left_keys[i], left, "its left stream"));
    HR_ASSIGN_OR_RAISE(const int r, KeyIndex(spec, join.right_keys[i], right, "its right stream"));
    const auto &left_type = *left.field(l)->type(), &right_type = *right.field(r)->type();
    if (!left_type.Equals(right_type))
      return Wrong(spec,
                   fmt::format("\"{}\" is a {}, but \"{}\" is a {}: keys of different types do not meet", join.left_keys[i],
                               TypeName(left_type), join.right_keys[i], TypeName(right_type)),
                   "Bring one to the other's type with select() and cast().");
    if (join.left_keys[i] != join.right_keys[i]) continue;
    key_of[static_cast<std::size_t>(r)] = l;
    twin[static_cast<std::size_t>(l)] = r;
  }
  const bool null_left = join.kind == Kind::kRight || join.kind == Kind::kFull,
             null_right = join.kind == Kind::kLeft || join.kind == Kind::kFull;
  const bool left_only = join.kind == Kind::kSemi || join.kind == Kind::kAnti;
  arrow::FieldVector fields;
  std::set<std::string> taken;
  for (int c = 0; c < left.num_fields(); ++c) {
    const int r = left_only ? -1 : twin[static_cast<std::size_t>(c)];
    const bool nullable = left.field(c)->nullable() || (r >= 0 ? right.field(r)->nullable() : null_left);
    fields.push_back(arrow::field(left.field(c)->name(), left.field(c)->type(), nullable));
    made.columns.push_back({c, r});
    taken.insert(left.field(c)->name());
  }
  for (int c = 0; !left_only && c < right.num_fields(); ++c) {
    if (key_of[static_cast<std::size_t>(c)] >= 0) continue;
    std::string name = right.field(c)->name();
    if (taken.contains(name)) name += join.suffix;
    if (!taken.insert(name).second)
      return Wrong(spec, fmt::format("two of its columns would be called \"{:.100}\"", name),
                   "Choose another suffix=, or rename one with select().");
    fields.push_back(arrow::field(name, right.field(c)->type(), right.field(c)->nullable() || null_right));
    made.columns.push_back({-1, c});
  }
  for (const char* name : {kWindowStart, kWindowEnd}) {
    if (join.bound != JoinSpec::Bound::kWindow) break;
    if (!taken.insert(name).second)
      return Wrong(spec, fmt::format("an input has the column {}, which the window adds", name),
                   "Rename it with select(), or join on window_start and window_end.");
    fields.push_back(arrow::field(name, arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), /*nullable=*/false));
    made.columns.push_back({-1, -1});
  }
  made.schema = arrow::schema(std::move(fields));
  return made;
}

Result<SchemaPtr> SchemaOf(const OperatorSpec& spec, const DeduplicateSpec& deduplicate, const SchemaPtr& input) {
  if (deduplicate.keys.empty()) return Wrong(spec, "it has no columns that say which rows are the same");
  std::set<std::string> taken;
  for (const std::string& key : deduplicate.keys) {
    HR_RETURN_NOT_OK(KeyIndex(spec, key, *input, "its stream").status());
    if (!taken.insert(key).second) return Wrong(spec, fmt::format("it names the column \"{}\" twice", key));
  }
  return input;
}

}  // namespace headrace::plan
