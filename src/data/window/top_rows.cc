#include "data/window/top_rows.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "columnar/column_gatherer.h"

namespace headrace::data::window {
namespace {

constexpr std::size_t kPruneRows = 8192;

std::int64_t BytesOf(const arrow::RecordBatch& batch) {
  std::int64_t bytes = 0;
  for (int c = 0; c < batch.num_columns(); ++c)
    for (const auto& buffer : batch.column_data(c)->buffers) bytes += buffer == nullptr ? 0 : buffer->size();
  return bytes;
}

}  // namespace

TopRows::TopRows(KeyWords* keys, SortWords* order, std::uint64_t limit, bool ties)
    : keys_(keys), order_(order), limit_(limit), ties_(ties), groups_(keys->words(), order->words() + 2), prune_at_(kPruneRows) {}

bool TopRows::CannotBeAmong(const std::uint64_t* group, const std::uint64_t* words) const {
  if (group[0] == 0) return false;
  const std::uint64_t* bar = group + 1;
  return order_->Before(bar, words) || (!ties_ && !order_->Before(words, bar));
}

void TopRows::Keep(const std::uint64_t* group, const std::uint64_t* words, std::uint32_t row) {
  const std::uint32_t width = order_->words();
  candidates_.push_back({static_cast<std::uint32_t>(group[width + 1]), static_cast<std::uint32_t>(batches_.size()),
                         static_cast<std::uint32_t>(kept_.size()), static_cast<std::uint32_t>(words_.size() / width)});
  words_.insert(words_.end(), words, words + width);
  kept_.push_back(row);
}

/// The first row of all by one word: of a batch only those count that have its least word.
Status TopRows::KeepFirst(const std::uint64_t* words, std::int64_t rows) {
  const std::uint64_t no_key = 0, *key = &no_key;
  std::uint64_t* group = nullptr;
  HR_RETURN_NOT_OK(groups_.Resolve({&key, 1}, 1, &group));
  std::uint64_t least = words[0];
  for (std::int64_t i = 1; i < rows; ++i) least = std::min(least, words[i]);
  if (CannotBeAmong(group, &least)) return Status::OK();
  group[0] = 1;
  group[1] = least;
  for (const std::uint64_t* at = std::find(words, words + rows, least); at != words + rows; at = std::find(at + 1, words + rows, least)) {
    Keep(group, at, static_cast<std::uint32_t>(at - words));
    if (!ties_) break;
  }
  return Status::OK();
}

Status TopRows::KeepByGroup(const arrow::RecordBatch& batch, const std::uint64_t* words) {
  const std::int64_t rows = batch.num_rows();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_->Encode(batch));
  rows_.resize(static_cast<std::size_t>(rows));
  const std::int64_t known = groups_.num_rows();
  if (keys_->has_columns()) {
    HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  } else {
    HR_RETURN_NOT_OK(groups_.Resolve(keys, 1, rows_.data()));
    std::fill(rows_.begin() + 1, rows_.end(), rows_[0]);
  }
  const std::uint32_t width = order_->words();
  for (std::int64_t group = known; group < groups_.num_rows(); ++group)
    groups_.RowValues(group)[width + 1] = static_cast<std::uint64_t>(group);
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    std::uint64_t* group = rows_[row];
    const std::uint64_t* mine = words + std::size_t{row} * width;
    if (CannotBeAmong(group, mine)) continue;
    if (limit_ == 1) {  // the bar moves with each row that is better
      group[0] = 1;
      std::copy_n(mine, width, group + 1);
    }
    Keep(group, mine, row);
  }
  return Status::OK();
}

Status TopRows::Add(const std::shared_ptr<arrow::RecordBatch>& batch) {
  if (batch->num_rows() == 0) return Status::OK();
  HR_ASSIGN_OR_RAISE(const std::uint64_t* words, order_->Encode(*batch));
  kept_.clear();
  if (limit_ == 1 && order_->words() == 1 && !keys_->has_columns()) {
    HR_RETURN_NOT_OK(KeepFirst(words, batch->num_rows()));
  } else {
    HR_RETURN_NOT_OK(KeepByGroup(*batch, words));
  }
  if (kept_.empty()) return Status::OK();
  if (static_cast<std::int64_t>(kept_.size()) == batch->num_rows()) {
    batch_bytes_ += BytesOf(*batch);
    batches_.push_back(batch);
  } else {
    HR_ASSIGN_OR_RAISE(auto gathered, columnar::GatherRows(*batch, kept_));
    batch_bytes_ += BytesOf(*gathered);
    batches_.push_back(std::move(gathered));
  }
  if (candidates_.size() < prune_at_) return Status::OK();
  HR_RETURN_NOT_OK(Prune(nullptr));
  HR_ASSIGN_OR_RAISE(auto gathered, GatherCandidates());
  batch_bytes_ = BytesOf(*gathered);
  batches_ = {std::move(gathered)};
  for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
    candidates_[i].batch = 0;
    candidates_[i].row = i;
  }
  prune_at_ = candidates_.size() * 2 + kPruneRows;
  return Status::OK();
}

Status TopRows::Prune(std::vector<std::int64_t>* ranks) {
  const std::uint32_t width = order_->words();
  const auto words_of = [&](const Candidate& candidate) { return words_.data() + std::size_t{candidate.sort} * width; };
  // Positions of words are in the order of arrival: they settle what compares equal.
  std::sort(candidates_.begin(), candidates_.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.group != b.group) return a.group < b.group;
    if (order_->Before(words_of(a), words_of(b))) return true;
    if (order_->Before(words_of(b), words_of(a))) return false;
    return a.sort < b.sort;
  });
  std::vector<Candidate> first;
  std::vector<std::uint64_t> kept_words;
  for (std::size_t at = 0; at < candidates_.size();) {
    const std::uint32_t group = candidates_[at].group;
    std::uint64_t taken = 0, rank = 0;
    const std::uint64_t* last = nullptr;
    for (; at < candidates_.size() && candidates_[at].group == group; ++at) {
      const std::uint64_t* words = words_of(candidates_[at]);
      const bool equals_last = last != nullptr && !order_->Before(last, words);
      if (taken >= limit_ && !(ties_ && equals_last)) continue;
      ++taken;
      if (!ties_ || !equals_last) rank = taken;
      if (ranks != nullptr) ranks->push_back(static_cast<std::int64_t>(rank));
      last = words;
      first.push_back(candidates_[at]);
    }
    if (taken < limit_) continue;
    std::uint64_t* values = groups_.RowValues(group);
    values[0] = 1;
    std::copy_n(last, width, values + 1);
  }
  // Renumbered in the order of arrival, so that equal rows keep it.
  std::vector<std::uint32_t> by_arrival(first.size());
  for (std::uint32_t i = 0; i < first.size(); ++i) by_arrival[i] = i;
  std::sort(by_arrival.begin(), by_arrival.end(), [&](std::uint32_t a, std::uint32_t b) { return first[a].sort < first[b].sort; });
  for (std::uint32_t position = 0; position < by_arrival.size(); ++position) {
    Candidate& candidate = first[by_arrival[position]];
    const std::uint64_t* words = words_of(candidate);
    kept_words.insert(kept_words.end(), words, words + width);
    candidate.sort = position;
  }
  words_ = std::move(kept_words);
  candidates_ = std::move(first);
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> TopRows::GatherCandidates() {
  const auto& schema = batches_[0]->schema();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    HR_ASSIGN_OR_RAISE(auto gatherer, columnar::ColumnGatherer::Make(schema->field(c)->type()));
    for (std::size_t at = 0; at < candidates_.size();) {
      // Rows that stand in one batch are taken together.
      const std::uint32_t batch = candidates_[at].batch;
      kept_.clear();
      for (; at < candidates_.size() && candidates_[at].batch == batch; ++at) kept_.push_back(candidates_[at].row);
      HR_RETURN_NOT_OK(gatherer->Append(*batches_[batch]->column_data(c), kept_.data(), static_cast<std::int64_t>(kept_.size())));
    }
    HR_ASSIGN_OR_RAISE(auto column, gatherer->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, static_cast<std::int64_t>(candidates_.size()), std::move(columns));
}

Result<TopRows::Ranked> TopRows::Take() {
  Ranked ranked;
  if (candidates_.empty()) return ranked;
  HR_RETURN_NOT_OK(Prune(&ranked.ranks));
  HR_ASSIGN_OR_RAISE(ranked.rows, GatherCandidates());
  return ranked;
}

std::int64_t TopRows::allocated_bytes() const {
  return groups_.allocated_bytes() + batch_bytes_ +
         static_cast<std::int64_t>(candidates_.capacity() * sizeof(Candidate) + words_.capacity() * 8);
}

}  // namespace headrace::data::window
