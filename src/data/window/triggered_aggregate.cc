#include "data/window/triggered_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "columnar/column_gatherer.h"
#include "data/window/window_merger.h"
#include "plan/process.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kFewGroups = 1024;

std::shared_ptr<arrow::Schema> WithTime(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  return arrow::schema(std::move(fields));
}

/// Numbers as those of another type of 8 bytes.
std::shared_ptr<arrow::Array> As(const std::shared_ptr<arrow::DataType>& type, const arrow::Array& numbers) {
  auto data = numbers.data()->Copy();
  data->type = type;
  return arrow::MakeArray(std::move(data));
}

/// of(i) for each of so many rows.
template <typename Of>
Result<std::shared_ptr<arrow::Array>> Numbers(std::int64_t rows, Of of) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8));
  auto* numbers = reinterpret_cast<std::int64_t*>(buffer->mutable_data());
  for (std::int64_t i = 0; i < rows; ++i) numbers[i] = of(i);
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(buffer)}, 0));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> TriggeredAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                               const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds) {
  std::vector<std::string> names = spec.keys;
  names.emplace_back(plan::kTriggerColumns[0]);
  if (spec.window.kind != plan::Window::Kind::kSession) names.emplace_back(plan::kTriggerColumns[1]);
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, names));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input, /*retractable=*/false, folds));
  const int columns = input->num_fields() - static_cast<int>(std::size(plan::kTriggerColumns));
  if (columns < 0) return Status::Invalid("rows that come from no trigger");
  return std::unique_ptr<op::Operator>(new TriggeredAggregate(std::move(calls), std::move(keys), output, spec, columns));
}

TriggeredAggregate::TriggeredAggregate(AggregateCalls calls, KeyWords keys, std::shared_ptr<arrow::Schema> output,
                                       const plan::AggregateSpec& spec, int columns)
    : calls_(std::move(calls)),
      keys_(std::move(keys)),
      output_(spec.window.kind == plan::Window::Kind::kGlobal ? std::move(output) : WithTime(*output)),
      late_tag_(spec.late_tag),
      has_bounds_(spec.window.kind != plan::Window::Kind::kGlobal),
      sessions_(spec.window.kind == plan::Window::Kind::kSession),
      columns_(columns),
      count_(calls_.state_words()),
      stamp_(count_ + 1),
      end_(stamp_ + 1),
      groups_(keys_.words(), end_ + 1) {}

TriggeredAggregate::~TriggeredAggregate() {
  ReleaseAll(calls_.functions(), &groups_);
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status TriggeredAggregate::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status TriggeredAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t rows = records.num_rows();
  const std::int64_t* times =
      batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  const auto* actions = records.column_data(columns_ + 2)->GetValues<std::int64_t>(1);
  const auto* ends = records.column_data(columns_ + 1)->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const auto evaluated, calls_.Evaluate(records, times));
  HR_RETURN_NOT_OK(Resolve(records, actions));
  not_added_.resize(static_cast<std::size_t>(rows));
  for (std::int64_t row = 0; row < rows; ++row) not_added_[static_cast<std::size_t>(row)] = (actions[row] & plan::kAddRow) == 0;
  const auto inputs = left_out_.Without(evaluated, not_added_.data(), rows);
  added_ = 0;
  std::size_t absorbed = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint64_t* group = rows_[static_cast<std::size_t>(row)];
    if (sessions_ && (actions[row] & kMergeGroup) != 0) {
      HR_RETURN_NOT_OK(Settle(inputs, row, out));
      HR_RETURN_NOT_OK(Absorb(group, absorbed_[absorbed++]));
      continue;
    }
    if (actions[row] != plan::kLateRow) group[end_] = static_cast<std::uint64_t>(ends[row]);
    // What the group waits for was said before this row.
    if (group[stamp_] == settling_) HR_RETURN_NOT_OK(Settle(inputs, row, out));
    if ((actions[row] & plan::kAddRow) != 0) ++group[count_];
    if ((actions[row] & plan::kFireGroup) != 0 && group[count_] > 0) due_.push_back(group);
    if ((actions[row] & (plan::kPurgeGroup | plan::kCloseGroup)) != 0) emptied_groups_.push_back(group);
    if ((actions[row] & ~std::int64_t{plan::kAddRow}) != 0) group[stamp_] = settling_;
  }
  HR_RETURN_NOT_OK(Settle(inputs, rows, out));
  HR_RETURN_NOT_OK(TakeLate(batch, actions, out));
  HR_RETURN_NOT_OK(Tidy());
  AccountBytes();
  return Status::OK();
}

Status TriggeredAggregate::Resolve(const arrow::RecordBatch& records, const std::int64_t* actions) {
  const std::int64_t rows = records.num_rows();
  std::vector<std::uint32_t> merges;
  for (std::uint32_t row = 0; sessions_ && row < rows; ++row)
    if ((actions[row] & kMergeGroup) != 0) merges.push_back(row);
  std::vector<std::vector<std::uint64_t>> from;  // by word
  if (!merges.empty()) {
    HR_ASSIGN_OR_RAISE(auto named, columnar::GatherRows(records, merges));
    HR_ASSIGN_OR_RAISE(named, named->SetColumn(columns_, named->schema()->field(columns_), named->column(columns_ + 1)));
    HR_ASSIGN_OR_RAISE(const auto words, keys_.Encode(*named));
    for (const std::uint64_t* word : words) from.emplace_back(word, word + merges.size());
  }
  HR_ASSIGN_OR_RAISE(const auto keys, keys_.Encode(records));
  rows_.resize(static_cast<std::size_t>(rows));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  if (merges.empty()) return Status::OK();
  std::vector<const std::uint64_t*> words;
  for (const auto& word : from) words.push_back(word.data());
  absorbed_.resize(merges.size());
  groups_.Lookup(words, static_cast<std::int64_t>(merges.size()), absorbed_.data());
  return Status::OK();
}

/// A session's rows become another's; the end of that comes with its next row.
Status TriggeredAggregate::Absorb(std::uint64_t* group, std::uint64_t* from) {
  if (from == nullptr) return Status::OK();
  HR_RETURN_NOT_OK(MergeAll(calls_.functions(), &group, &from, 1));
  group[count_] += from[count_];
  ReleaseAll(calls_.functions(), &from, 1);
  std::fill_n(from, stamp_, 0);
  ++emptied_;
  return Status::OK();
}

Status TriggeredAggregate::Settle(std::span<const op::AggregateInput> inputs, std::int64_t row, op::Collector* out) {
  const auto& functions = calls_.functions();
  for (std::size_t f = 0; f < inputs.size() && row > added_; ++f)
    HR_RETURN_NOT_OK(functions[f]->Add(inputs[f].From(added_), rows_.data() + added_, row - added_));
  added_ = row;
  HR_RETURN_NOT_OK(Emit(out));
  ReleaseAll(functions, emptied_groups_.data(), static_cast<std::int64_t>(emptied_groups_.size()));
  for (std::uint64_t* group : emptied_groups_) std::fill_n(group, stamp_, 0);
  emptied_ += static_cast<std::int64_t>(emptied_groups_.size());
  emptied_groups_.clear();
  ++settling_;
  return Status::OK();
}

Status TriggeredAggregate::Emit(op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(due_.size());
  if (rows == 0) return Status::OK();
  std::vector<const std::uint64_t*> keys;
  for (const std::uint64_t* group : due_) keys.push_back(group - keys_.words());
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(keys.data(), rows));
  if (sessions_) columns.emplace_back();
  const std::size_t start = columns.size() - 2, end = columns.size() - 1;
  if (has_bounds_) {
    HR_ASSIGN_OR_RAISE(columns[end],
                       Numbers(rows, [&](std::int64_t i) { return static_cast<std::int64_t>(due_[static_cast<std::size_t>(i)][end_]); }));
  }
  const std::shared_ptr<arrow::Array> ends = columns[end];
  if (has_bounds_) {
    for (const std::size_t bound : {start, end}) columns[bound] = As(output_->field(static_cast<int>(bound))->type(), *columns[bound]);
  } else {
    columns.resize(start);
  }
  for (const auto& function : calls_.functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(due_.data(), rows));
    columns.push_back(std::move(column));
  }
  if (has_bounds_) {
    const auto* end_ms = ends->data()->GetValues<std::int64_t>(1);
    HR_ASSIGN_OR_RAISE(auto times, Numbers(rows, [&](std::int64_t i) { return end_ms[i] - 1; }));
    columns.push_back(std::move(times));
  }
  due_.clear();
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

Status TriggeredAggregate::TakeLate(const columnar::DataBatch& batch, const std::int64_t* actions, op::Collector* out) {
  std::vector<std::uint32_t> late;
  for (std::uint32_t row = 0; row < rows_.size(); ++row)
    if (actions[row] == plan::kLateRow) late.push_back(row);
  if (late.empty()) return Status::OK();
  late_.Add(late.size());
  emptied_ += static_cast<std::int64_t>(late.size());
  if (late_tag_.empty()) return Status::OK();
  HR_ASSIGN_OR_RAISE(auto records, columnar::GatherRows(*batch.records(), late));
  for (std::size_t i = 0; i < std::size(plan::kTriggerColumns); ++i) {
    HR_ASSIGN_OR_RAISE(records, records->RemoveColumn(columns_));
  }
  return out->EmitSide(late_tag_, columnar::DataBatch(std::move(records)));
}

Status TriggeredAggregate::Tidy() {
  if (emptied_ >= kFewGroups && emptied_ * 2 >= groups_.num_rows()) {
    HR_ASSIGN_OR_RAISE(groups_, MoveRows(&groups_, [this](const std::uint64_t* values) { return values[count_] > 0; }));
    emptied_ = 0;
  }
  if (!keys_.wants_sweep()) return Status::OK();
  for (std::int64_t group = 0; group < groups_.num_rows(); ++group) keys_.Mark(groups_.RowKey(group));
  keys_.Sweep();
  return Status::OK();
}

void TriggeredAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = groups_.allocated_bytes() + keys_.allocated_bytes() + BytesOf(calls_.functions());
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
