#include "data/join/updating_aggregate.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "columnar/row_kind.h"
#include "data/join/join_output.h"
#include "data/window/local_groups.h"
#include "plan/row_schema.h"

namespace headrace::data::join {
namespace {

using columnar::RowKind;

/// Whether row i of two columns of numbers of 8 bytes is the same; false for other columns.
bool SameRow(const arrow::Array& a, const arrow::Array& b, std::int64_t i) {
  if (a.IsNull(i) != b.IsNull(i)) return false;
  if (a.IsNull(i)) return true;
  if (a.type()->id() == arrow::Type::BOOL || a.type()->bit_width() != 64) return false;
  return a.data()->GetValues<std::uint64_t>(1)[i] == b.data()->GetValues<std::uint64_t>(1)[i];
}

}  // namespace

Result<std::unique_ptr<op::Operator>> UpdatingAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                              const std::shared_ptr<arrow::Schema>& output, bool updates, bool before,
                                                              op::FoldBook* folds) {
  HR_ASSIGN_OR_RAISE(window::KeyWords keys, window::KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(window::AggregateCalls calls, window::AggregateCalls::Make(spec.calls, input, /*retractable=*/updates, folds));
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false));
  return std::unique_ptr<op::Operator>(
      new UpdatingAggregate(std::move(calls), std::move(keys), arrow::schema(std::move(fields)), spec, before));
}

UpdatingAggregate::UpdatingAggregate(window::AggregateCalls calls, window::KeyWords keys, std::shared_ptr<arrow::Schema> output,
                                     const plan::AggregateSpec& spec, bool before)
    : calls_(std::move(calls)),
      keys_(std::move(keys)),
      output_(std::move(output)),
      has_keys_(!spec.keys.empty()),
      before_(before),
      stamp_(calls_.state_words()),
      count_(calls_.state_words() + 1),
      idle_(spec.ttl_ms, calls_.state_words() + 2),
      groups_(keys_.words(), calls_.state_words() + 2 + IdleGroups::Words(spec.ttl_ms)) {}

UpdatingAggregate::~UpdatingAggregate() {
  window::ReleaseAll(calls_.functions(), &groups_);
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status UpdatingAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return idle_.Open(context.clock);
}

Status UpdatingAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::uint8_t* kinds =
      batch.row_kind_column() < 0 ? nullptr : records.column_data(batch.row_kind_column())->GetValues<std::uint8_t>(1);
  const int partial = records.schema()->GetFieldIndex(std::string(window::kPartialColumn));
  HR_ASSIGN_OR_RAISE(const auto keys, partial >= 0 ? keys_.EncodeLeading(records) : keys_.Encode(records));
  const std::int64_t* times =
      batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  std::vector<op::AggregateInput> inputs;
  if (partial < 0) {
    HR_ASSIGN_OR_RAISE(inputs, calls_.Evaluate(records, times));
  }
  rows_.resize(static_cast<std::size_t>(records.num_rows()));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, records.num_rows(), rows_.data()));
  EndIdle();
  FindChanged();
  arrow::ArrayVector before;
  if (before_) {
    HR_ASSIGN_OR_RAISE(before, Results());
  }
  HR_RETURN_NOT_OK(partial >= 0 ? FoldGroups(*records.column_data(partial)) : Fold(inputs, kinds));
  HR_ASSIGN_OR_RAISE(const arrow::ArrayVector after, Results());
  HR_RETURN_NOT_OK(Emit(Choose(before, after), before, after, out));
  HR_RETURN_NOT_OK(idle_.Sweep(&groups_, [this](std::uint64_t* group) { window::ReleaseAll(calls_.functions(), &group, 1); }));
  Tidy();
  AccountBytes();
  return Status::OK();
}

/// Groups of the batch that have ended are as new ones.
void UpdatingAggregate::EndIdle() {
  if (!idle_.on()) return;
  idle_.Begin();
  for (std::uint64_t* group : rows_) {
    if (idle_.HasEnded(group)) {
      window::ReleaseAll(calls_.functions(), &group, 1);
      std::fill_n(group, groups_.value_words(), 0);
    }
    idle_.Touch(group);
  }
}

void UpdatingAggregate::SkipForgotten(const std::uint8_t* kinds) {
  for (std::size_t i = 0; idle_.on() && i < rows_.size(); ++i) {
    std::uint64_t& count = rows_[i][count_];
    if (!columnar::TakesBack(kinds[i]))
      ++count;
    else if (count > 0)
      --count;
    else
      back_[i] = stays_[i] = 1;
  }
}

/// The groups of the batch, each once, in the order of their first rows.
void UpdatingAggregate::FindChanged() {
  ++batch_;
  changed_.clear();
  had_rows_.clear();
  for (std::uint64_t* group : rows_) {
    if (std::exchange(group[stamp_], batch_) == batch_) continue;
    changed_.push_back(group);
    had_rows_.push_back(has_keys_ ? group[count_] > 0 : batch_ > 1);  // the one group of all rows stays once it has come
  }
}

/// Groups that a BatchAggregate in front of the shuffle has added up: the functions' words, then the number of rows.
Status UpdatingAggregate::FoldGroups(const arrow::ArrayData& groups) {
  const auto& functions = calls_.functions();
  const std::size_t words = window::WordsOf(functions) + 1;
  if (groups.type->id() != arrow::Type::FIXED_SIZE_BINARY || groups.type->bit_width() != static_cast<int>(words * 64))
    return Status::Invalid("partial groups of another aggregate");
  const auto* states = reinterpret_cast<const std::uint64_t*>(groups.buffers[1]->data()) + static_cast<std::size_t>(groups.offset) * words;
  std::vector<const std::uint64_t*> from(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    from[i] = states + i * words;
    rows_[i][count_] += from[i][words - 1];
  }
  // A group may come twice; functions without memory of their own take one after the other.
  return window::MergeAll(functions, rows_.data(), from.data(), static_cast<std::int64_t>(rows_.size()));
}

Status UpdatingAggregate::Fold(const std::vector<op::AggregateInput>& inputs, const std::uint8_t* kinds) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const bool any_back = kinds != nullptr && std::any_of(kinds, kinds + rows, columnar::TakesBack);
  const bool counts_below = any_back && idle_.on();  // SkipForgotten() counts then
  for (std::int64_t i = 0; i < rows && !counts_below; ++i)
    rows_[static_cast<std::size_t>(i)][count_] += any_back && columnar::TakesBack(kinds[i]) ? ~std::uint64_t{0} : 1;
  const auto& functions = calls_.functions();
  if (!any_back) {
    for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(functions[f]->Add(inputs[f], rows_.data(), rows));
    return Status::OK();
  }
  back_.resize(rows_.size());
  stays_.resize(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    back_[i] = columnar::TakesBack(kinds[i]) ? 1 : 0;
    stays_[i] = back_[i] ^ 1;
  }
  SkipForgotten(kinds);
  const auto added = without_.Without(inputs, back_.data(), rows);
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(functions[f]->Add(added[f], rows_.data(), rows));
  const auto taken = without_.Without(inputs, stays_.data(), rows);
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(functions[f]->Retract(taken[f], rows_.data(), rows));
  return Status::OK();
}

Result<arrow::ArrayVector> UpdatingAggregate::Results() const {
  arrow::ArrayVector columns;
  for (const auto& function : calls_.functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(changed_.data(), static_cast<std::int64_t>(changed_.size())));
    columns.push_back(std::move(column));
  }
  return columns;
}

UpdatingAggregate::Shown UpdatingAggregate::Choose(const arrow::ArrayVector& before, const arrow::ArrayVector& after) const {
  Shown shown;
  const auto groups = static_cast<std::uint32_t>(changed_.size());
  const auto show = [&](std::uint32_t group, bool is_after, RowKind kind) {
    shown.groups.push_back(group);
    shown.rows.push_back(is_after && before_ ? groups + group : group);
    shown.kinds.push_back(static_cast<std::uint8_t>(kind));
  };
  for (std::uint32_t i = 0; i < groups; ++i) {
    const bool had = had_rows_[i] != 0, has = changed_[i][count_] > 0 || !has_keys_;
    if (!had && has) show(i, true, RowKind::kInsert);
    if (had && !has) show(i, /*is_after=*/!before_, RowKind::kDelete);
    if (!had || !has) continue;
    bool same = before_;
    for (std::size_t c = 0; same && c < after.size(); ++c) same = SameRow(*before[c], *after[c], i);
    if (same) continue;
    if (before_) show(i, false, RowKind::kUpdateBefore);
    show(i, true, RowKind::kUpdateAfter);
  }
  return shown;
}

Status UpdatingAggregate::Emit(const Shown& shown, const arrow::ArrayVector& before, const arrow::ArrayVector& after,
                               op::Collector* out) const {
  const auto rows = static_cast<std::int64_t>(shown.rows.size());
  if (rows == 0) return Status::OK();
  std::vector<const std::uint64_t*> keys;
  for (const std::uint32_t group : shown.groups) keys.push_back(changed_[group] - keys_.words());
  arrow::ArrayVector columns;
  if (has_keys_) {
    HR_ASSIGN_OR_RAISE(columns, keys_.Decode(keys.data(), rows));
  }
  const bool as_they_are = !before_ && shown.rows.size() == changed_.size();
  for (std::size_t c = 0; c < after.size(); ++c) {
    std::shared_ptr<arrow::Array> column = after[c];
    if (before_) {
      HR_ASSIGN_OR_RAISE(column, arrow::Concatenate({before[c], after[c]}));
    }
    if (!as_they_are) {
      HR_ASSIGN_OR_RAISE(column, GatherOrNull(column->data(), shown.rows));
    }
    columns.push_back(std::move(column));
  }
  HR_ASSIGN_OR_RAISE(auto kinds, CopyColumn(arrow::uint8(), shown.kinds.data(), rows));
  columns.push_back(std::move(kinds));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

void UpdatingAggregate::Tidy() {
  if (!keys_.wants_sweep()) return;
  for (std::int64_t group = 0; group < groups_.num_rows(); ++group) keys_.Mark(groups_.RowKey(group));
  keys_.Sweep();
}

void UpdatingAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = groups_.allocated_bytes() + keys_.allocated_bytes() + window::BytesOf(calls_.functions());
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
