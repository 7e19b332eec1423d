#include "data/join/running_top.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "data/join/join_output.h"

namespace headrace::data::join {
namespace {

using columnar::RowKind;
constexpr std::size_t kPieceRows = 4096;

}  // namespace

Result<std::unique_ptr<op::Operator>> RunningTop::Make(const plan::TopSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                       const std::shared_ptr<arrow::Schema>& output, bool updates, bool before) {
  HR_ASSIGN_OR_RAISE(window::KeyWords keys, window::KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(window::SortWords order, window::SortWords::Make(*input, spec.order));
  HR_ASSIGN_OR_RAISE(state::RowStore rows, state::RowStore::Make(input->fields(), order.words()));
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false));
  return std::unique_ptr<op::Operator>(
      new RunningTop(spec, std::move(keys), std::move(order), std::move(rows), arrow::schema(std::move(fields)), updates, before));
}

RunningTop::RunningTop(const plan::TopSpec& spec, window::KeyWords keys, window::SortWords order, state::RowStore rows,
                       std::shared_ptr<arrow::Schema> output, bool updates, bool before)
    : limit_(spec.limit),
      ties_(spec.ties),
      has_rank_(!spec.rank_name.empty()),
      updates_(updates),
      before_(before),
      keys_(std::move(keys)),
      order_(std::move(order)),
      rows_(std::move(rows)),
      output_(std::move(output)),
      groups_(keys_.words(), kBar + order_.words() + IdleGroups::Words(spec.ttl_ms)),
      idle_(spec.ttl_ms, kBar + order_.words()) {}

RunningTop::~RunningTop() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status RunningTop::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return idle_.Open(context.clock);
}

bool RunningTop::CannotBeAmong(const std::uint64_t* group, const std::uint64_t* words) const {
  if (updates_ || group[kFull] == 0) return false;
  const std::uint64_t* bar = group + kBar;
  return order_.Before(bar, words) || (!ties_ && !order_.Before(words, bar));
}

/// Puts the rows that may change anything into the store: indices_ and their numbers_.
Status RunningTop::Pick(const columnar::DataBatch& batch, const std::uint8_t* kinds, const std::uint64_t* words) {
  const std::uint32_t width = order_.words();
  indices_.clear();
  for (std::uint32_t i = 0; i < found_.size(); ++i) {
    const bool back = kinds != nullptr && columnar::TakesBack(kinds[i]);
    if (back || !CannotBeAmong(found_[i], words + std::size_t{i} * width)) indices_.push_back(i);
  }
  numbers_.resize(indices_.size());
  HR_RETURN_NOT_OK(rows_.Append(*batch.records(), indices_, numbers_.data()));
  for (std::size_t i = 0; i < indices_.size(); ++i) std::copy_n(words + std::size_t{indices_[i]} * width, width, WordsOf(numbers_[i]));
  return Status::OK();
}

Status RunningTop::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const auto keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(const std::uint64_t* words, order_.Encode(records));
  found_.resize(static_cast<std::size_t>(records.num_rows()));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, records.num_rows(), found_.data()));
  idle_.Begin();
  for (std::size_t i = 0; idle_.on() && i < found_.size(); ++i)
    if (idle_.HasEnded(found_[i])) Clear(found_[i]);
  const std::uint8_t* kinds =
      batch.row_kind_column() < 0 ? nullptr : records.column_data(batch.row_kind_column())->GetValues<std::uint8_t>(1);
  HR_RETURN_NOT_OK(Pick(batch, kinds, words));
  ++batch_;
  changes_.clear();
  changed_groups_.clear();
  places_.clear();
  gone_.clear();
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    std::uint64_t* group = found_[indices_[i]];
    NoteChange(group);
    idle_.Touch(group);
    auto* list = &lists_[group[kList] - 1];
    if (kinds != nullptr && columnar::TakesBack(kinds[indices_[i]]))
      TakeBack(list, numbers_[i]);
    else
      Insert(list, numbers_[i]);
    SetBar(group);
  }
  HR_RETURN_NOT_OK(EmitChanges(out));
  for (const std::uint32_t row : gone_) rows_.Remove(row);
  HR_RETURN_NOT_OK(idle_.Sweep(&groups_, [this](std::uint64_t* group) {
    Clear(group);
    free_lists_.push_back(group[kList] - 1);
    gone_.push_back(kNone);
  }));
  if (!gone_.empty()) HR_RETURN_NOT_OK(rows_.Compact());
  if (keys_.wants_sweep()) {
    for (std::int64_t group = 0; group < groups_.num_rows(); ++group) keys_.Mark(groups_.RowKey(group));
    keys_.Sweep();
  }
  AccountBytes();
  return Status::OK();
}

void RunningTop::Clear(std::uint64_t* group) {
  std::vector<std::uint32_t> list = std::exchange(lists_[group[kList] - 1], {});
  list_bytes_ -= static_cast<std::int64_t>(list.capacity() * 4);
  for (const std::uint32_t row : list) rows_.Remove(row);
  group[kFull] = 0;
}

/// With the first row of a group in a batch: notes what its places were.
void RunningTop::NoteChange(std::uint64_t* group) {
  if (std::exchange(group[kStamp], batch_) == batch_) return;
  if (group[kList] == 0 && !free_lists_.empty()) {
    group[kList] = free_lists_.back() + 1;
    free_lists_.pop_back();
  } else if (group[kList] == 0) {
    lists_.emplace_back();
    group[kList] = lists_.size();
  }
  const auto list = static_cast<std::uint32_t>(group[kList] - 1);
  const std::size_t first = places_.size();
  AppendPlaces(lists_[list], &places_);
  changes_.push_back({list, first, places_.size() - first});
  changed_groups_.push_back(group);
}

void RunningTop::Insert(std::vector<std::uint32_t>* list, std::uint32_t row) {
  const auto at = std::upper_bound(list->begin(), list->end(), row,
                                   [&](std::uint32_t a, std::uint32_t b) { return order_.Before(WordsOf(a), WordsOf(b)); });
  const std::size_t had = list->capacity();
  list->insert(at, row);
  list_bytes_ += static_cast<std::int64_t>((list->capacity() - had) * 4);
  if (updates_) return;
  while (list->size() > limit_ && !(ties_ && !order_.Before(WordsOf((*list)[limit_ - 1]), WordsOf(list->back())))) {
    gone_.push_back(list->back());
    list->pop_back();
  }
}

void RunningTop::TakeBack(std::vector<std::uint32_t>* list, std::uint32_t pattern) {
  auto at = std::lower_bound(list->begin(), list->end(), pattern,
                             [&](std::uint32_t a, std::uint32_t b) { return order_.Before(WordsOf(a), WordsOf(b)); });
  while (at != list->end() && !order_.Before(WordsOf(pattern), WordsOf(*at)) && !rows_.Equal(*at, pattern)) ++at;
  const bool found = at != list->end() && !order_.Before(WordsOf(pattern), WordsOf(*at));
  gone_.push_back(pattern);
  if (!found) return;
  gone_.push_back(*at);
  list->erase(at);
}

void RunningTop::SetBar(std::uint64_t* group) {
  const auto& list = lists_[group[kList] - 1];
  if (updates_ || list.size() < limit_) return;
  group[kFull] = 1;
  std::copy_n(WordsOf(list[limit_ - 1]), order_.words(), group + kBar);
}

void RunningTop::AppendPlaces(const std::vector<std::uint32_t>& list, std::vector<Place>* places) const {
  std::int64_t rank = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool equals_last = i > 0 && ties_ && !order_.Before(WordsOf(list[i - 1]), WordsOf(list[i]));
    if (i >= limit_ && !equals_last) return;
    if (!equals_last) rank = static_cast<std::int64_t>(i) + 1;
    places->push_back({list[i], rank});
  }
}

void RunningTop::Compare(std::span<const Place> before, std::span<const Place> after) {
  const bool by_place = !ties_ && (has_rank_ || limit_ == 1);
  if (!by_place) return CompareSets(before, after);
  for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
    if (i >= after.size()) {
      Give(before[i], RowKind::kDelete);
    } else if (i >= before.size()) {
      Give(after[i], RowKind::kInsert);
    } else if (before[i] != after[i]) {
      if (before_) Give(before[i], RowKind::kUpdateBefore);
      Give(after[i], RowKind::kUpdateAfter);
    }
  }
}

/// Rows that are no longer among the first, or at another rank, go; the others that are new come.
void RunningTop::CompareSets(std::span<const Place> before, std::span<const Place> after) {
  // A row's count is its rank + 1 before, for the moment.
  for (const Place& place : before) rows_.count(place.row) = static_cast<std::uint32_t>(has_rank_ ? place.rank : 1);
  const auto same = [&](const Place& place) { return rows_.count(place.row) == static_cast<std::uint32_t>(has_rank_ ? place.rank : 1); };
  const std::size_t inserted_from = after_.size();
  for (const Place& place : after) {
    if (same(place))
      rows_.count(place.row) = 0;
    else
      after_.push_back(place);
  }
  for (const Place& place : before)
    if (std::exchange(rows_.count(place.row), 0u) != 0) Give(place, RowKind::kDelete);
  for (std::size_t i = inserted_from; i < after_.size(); ++i) Give(after_[i], RowKind::kInsert);
  after_.resize(inserted_from);
}

Status RunningTop::EmitChanges(op::Collector* out) {
  out_rows_.clear();
  out_ranks_.clear();
  out_kinds_.clear();
  std::vector<Place> now;
  for (const Change& change : changes_) {
    now.clear();
    AppendPlaces(lists_[change.list], &now);
    Compare({places_.data() + change.first, change.count}, now);
  }
  for (std::size_t at = 0; at < out_rows_.size();) {
    std::size_t count = std::min(kPieceRows, out_rows_.size() - at);
    // Both rows of an update stay in one batch.
    if (count < out_rows_.size() - at && out_kinds_[at + count - 1] == static_cast<std::uint8_t>(RowKind::kUpdateBefore)) --count;
    HR_RETURN_NOT_OK(EmitRows(at, count, out));
    at += count;
  }
  return Status::OK();
}

Status RunningTop::EmitRows(std::size_t first, std::size_t count, op::Collector* out) const {
  const auto rows = static_cast<std::int64_t>(count);
  const std::span<const std::uint32_t> numbers(out_rows_.data() + first, count);
  arrow::ArrayVector columns;
  const int named = output_->num_fields() - 1 - (has_rank_ ? 1 : 0);
  for (int c = 0; c < named; ++c) {
    HR_ASSIGN_OR_RAISE(auto column, rows_.Gather(c, numbers));
    columns.push_back(std::move(column));
  }
  if (has_rank_) {
    HR_ASSIGN_OR_RAISE(auto ranks, CopyColumn(arrow::int64(), out_ranks_.data() + first, rows));
    columns.push_back(std::move(ranks));
  }
  HR_ASSIGN_OR_RAISE(auto kinds, CopyColumn(arrow::uint8(), out_kinds_.data() + first, rows));
  columns.push_back(std::move(kinds));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

void RunningTop::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = keys_.allocated_bytes() + groups_.allocated_bytes() + rows_.allocated_bytes() + list_bytes_ +
                             static_cast<std::int64_t>(lists_.capacity() * sizeof(lists_[0]));
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
