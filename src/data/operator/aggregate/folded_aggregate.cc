#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <bit>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "columnar/typed_column_builder.h"
#include "columnar/typed_row_value.h"
#include "data/operator/aggregate/make_aggregate.h"
#include "data/operator/pending_folds.h"
#include "plan/fold_type.h"

namespace headrace::data::op {
namespace {

/// Pieces of bytes one after the other, each behind its length.
class Pieces {
 public:
  std::uint32_t count() const { return count_; }
  std::size_t size_bytes() const { return bytes_.size(); }
  /// append(std::string*) appends one piece.
  template <typename Append>
  Status Add(Append append) {
    const std::size_t at = bytes_.size();
    bytes_.append(sizeof(std::uint32_t), '\0');
    HR_RETURN_NOT_OK(append(&bytes_));
    const std::size_t length = bytes_.size() - at - sizeof(std::uint32_t);
    if (length > std::numeric_limits<std::int32_t>::max()) return Status::CapacityError("a value of more than 2 GiB");
    const auto head = static_cast<std::uint32_t>(length);
    std::memcpy(bytes_.data() + at, &head, sizeof(head));
    ++count_;
    return Status::OK();
  }
  void AddAll(const Pieces& other) {
    bytes_ += other.bytes_;
    count_ += other.count_;
  }
  template <typename Visit>
  Status ForEach(Visit visit) const {
    for (std::size_t at = 0; at < bytes_.size();) {
      std::uint32_t length = 0;
      std::memcpy(&length, bytes_.data() + at, sizeof(length));
      at += sizeof(length);
      HR_RETURN_NOT_OK(visit(std::string_view(bytes_).substr(at, length)));
      at += length;
    }
    return Status::OK();
  }
  void Clear() {
    bytes_ = std::string();
    count_ = 0;
  }

 private:
  std::string bytes_;
  std::uint32_t count_ = 0;
};

/// What one group has: accumulators that are to be merged, and rows behind them that are to be added.
struct Fold {
  Pieces accumulators, values;
  bool pending = false;   // among those that wait
  bool taken = false;     // on its way
  bool released = false;  // its group has gone; it stays until nothing points at it
  std::size_t size_bytes() const { return accumulators.size_bytes() + values.size_bytes(); }
};

/// Columns of lists under construction.
class FoldColumns {
 public:
  static Result<FoldColumns> Make(const std::shared_ptr<arrow::DataType>& type) {
    FoldColumns made;
    made.type_ = type;
    HR_ASSIGN_OR_RAISE(made.values_, columnar::TypedColumnBuilder::Make(type));
    return made;
  }
  /// null: a group without rows.
  Status Append(const Fold* fold) {
    if (fold != nullptr) {
      HR_RETURN_NOT_OK(
          fold->accumulators.ForEach([this](std::string_view piece) -> Status { return accumulators_.Append(piece.data(), Size(piece)); }));
      HR_RETURN_NOT_OK(fold->values.ForEach([this](std::string_view piece) { return values_->Append(piece); }));
      num_values_ += fold->values.count();
    }
    if (num_values_ > std::numeric_limits<std::int32_t>::max())
      return Status::CapacityError("the groups of one batch hold more than 2^31 values");
    accumulator_ends_.push_back(static_cast<std::int32_t>(accumulators_.length()));
    value_ends_.push_back(static_cast<std::int32_t>(num_values_));
    return Status::OK();
  }
  Result<PendingFolds::Trip> Finish() {
    std::shared_ptr<arrow::Array> accumulators;
    HR_RETURN_NOT_OK(accumulators_.Finish(&accumulators));
    HR_ASSIGN_OR_RAISE(const auto values, values_->Finish());
    const auto count = static_cast<std::int64_t>(value_ends_.size()) - 1;
    const auto lists = [count](const std::shared_ptr<arrow::DataType>& type, std::vector<std::int32_t> ends, const arrow::Array& items) {
      return arrow::MakeArray(
          arrow::ArrayData::Make(arrow::list(type), count, {nullptr, arrow::Buffer::FromVector(std::move(ends))}, {items.data()}, 0));
    };
    return PendingFolds::Trip{lists(arrow::binary(), std::move(accumulator_ends_), *accumulators),
                              lists(type_, std::move(value_ends_), *values)};
  }

 private:
  static std::int32_t Size(std::string_view piece) { return static_cast<std::int32_t>(piece.size()); }

  std::shared_ptr<arrow::DataType> type_;
  arrow::BinaryBuilder accumulators_;
  std::unique_ptr<columnar::TypedColumnBuilder> values_;
  std::int64_t num_values_ = 0;
  std::vector<std::int32_t> accumulator_ends_ = {0}, value_ends_ = {0};
};

/// An accumulator of the user's: the state's word points at a Fold. Rows wait there until the operator has had them folded.
/// Shape:   in a column of `type`; out plan::FoldType(type): what is to be merged, then added, to get the group's accumulator.
/// Errors:  CapacityError beyond 2 GiB of values in one batch.
class FoldedAggregate final : public AggregateFunction, public PendingFolds {
 public:
  FoldedAggregate(std::uint32_t at, std::shared_ptr<arrow::DataType> type) : at_(at), type_(std::move(type)) {}

  std::uint32_t state_words() const override { return 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return plan::FoldType(type_); }
  bool grows_when_merged() const override { return true; }

  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    const auto values = arrow::MakeArray(std::make_shared<arrow::ArrayData>(*input.column));
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid != nullptr && input.valid[i] == 0) continue;
      Fold* fold = Of(groups[i] + at_);
      const std::size_t before = fold->size_bytes();
      HR_RETURN_NOT_OK(fold->values.Add([&](std::string* out) { return columnar::AppendColumnValue(*values, input.first + i, out); }));
      Changed(fold, before);
    }
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) {
      const Fold* other = At(from[i][at_]);
      if (other == nullptr) continue;
      Fold* fold = Of(into[i] + at_);
      const std::size_t before = fold->size_bytes();
      fold->accumulators.AddAll(other->accumulators);
      fold->values.AddAll(other->values);
      Changed(fold, before);
    }
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    HR_ASSIGN_OR_RAISE(FoldColumns columns, FoldColumns::Make(type_));
    for (std::int64_t i = 0; i < count; ++i) HR_RETURN_NOT_OK(columns.Append(At(groups[i][at_])));
    HR_ASSIGN_OR_RAISE(const Trip lists, columns.Finish());
    return arrow::MakeArray(arrow::ArrayData::Make(result_type(), count, {nullptr}, {lists.accumulators->data(), lists.values->data()}, 0));
  }
  bool owns_memory() const override { return true; }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      Fold* fold = At(std::exchange(groups[i][at_], 0));
      if (fold == nullptr) continue;
      bytes_ -= static_cast<std::int64_t>(fold->size_bytes());
      fold->accumulators.Clear();
      fold->values.Clear();
      fold->released = true;
      if (!fold->pending && !fold->taken) free_.push_back(fold);
    }
  }
  std::int64_t allocated_bytes() const override { return bytes_ + static_cast<std::int64_t>(folds_.size() * sizeof(Fold)); }

  bool has_pending() const override { return !pending_.empty(); }
  Result<Trip> Take(std::int64_t most_bytes) override {
    HR_ASSIGN_OR_RAISE(FoldColumns columns, FoldColumns::Make(type_));
    std::vector<Fold*> taken;
    std::int64_t bytes = 0;
    while (!pending_.empty() && bytes < most_bytes) {
      Fold* fold = pending_.front();
      pending_.pop_front();
      fold->pending = false;
      if (fold->released) {
        free_.push_back(fold);
        continue;
      }
      HR_RETURN_NOT_OK(columns.Append(fold));
      bytes += static_cast<std::int64_t>(fold->size_bytes());
      fold->taken = true;
      taken.push_back(fold);
    }
    taken_.push_back(std::move(taken));
    return columns.Finish();
  }
  Status Put(const arrow::Array& accumulators) override {
    if (taken_.empty() || accumulators.type_id() != arrow::Type::BINARY || accumulators.null_count() > 0 ||
        accumulators.length() != static_cast<std::int64_t>(taken_.front().size()))
      return Status::Invalid("accumulators of other groups");
    const auto& bytes = static_cast<const arrow::BinaryArray&>(accumulators);
    std::int64_t at = 0;
    for (Fold* fold : taken_.front()) {
      const std::string_view accumulator = bytes.GetView(at++);
      fold->taken = false;
      if (fold->released) {
        free_.push_back(fold);
        continue;
      }
      const std::size_t before = fold->size_bytes();
      fold->accumulators.Clear();
      fold->values.Clear();
      HR_RETURN_NOT_OK(fold->accumulators.Add([&](std::string* out) {
        out->append(accumulator);
        return Status::OK();
      }));
      bytes_ += static_cast<std::int64_t>(fold->size_bytes()) - static_cast<std::int64_t>(before);
    }
    taken_.pop_front();
    return Status::OK();
  }

 private:
  static Fold* At(std::uint64_t word) { return std::bit_cast<Fold*>(word); }
  Fold* Of(std::uint64_t* word) const {
    if (*word != 0) return At(*word);
    Fold* fold = nullptr;
    if (free_.empty()) {
      fold = &folds_.emplace_back();
    } else {
      fold = free_.back();
      free_.pop_back();
      *fold = Fold();
    }
    *word = std::bit_cast<std::uint64_t>(fold);
    return fold;
  }
  void Changed(Fold* fold, std::size_t before) const {
    bytes_ += static_cast<std::int64_t>(fold->size_bytes() - before);
    if (fold->pending || fold->values.count() == 0) return;
    fold->pending = true;
    pending_.push_back(fold);
  }

  const std::uint32_t at_;
  const std::shared_ptr<arrow::DataType> type_;  // of the values
  mutable std::deque<Fold> folds_;               // all there have been
  mutable std::vector<Fold*> free_;
  mutable std::deque<Fold*> pending_;
  std::deque<std::vector<Fold*>> taken_;  // by trip, oldest first
  mutable std::int64_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeFolded(const AggregateSettings& settings, std::uint32_t at) {
  auto made = std::make_unique<FoldedAggregate>(at, settings.type);
  if (settings.folds != nullptr) settings.folds->functions.push_back(made.get());
  return made;
}

}  // namespace headrace::data::op
