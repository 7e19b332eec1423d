#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "data/operator/aggregate/make_aggregate.h"

namespace headrace::data::op {
namespace {

/// A list of values in one block of the heap, which the state's word points at; 0 = none.
template <typename Values>
class ValueList {
 public:
  using Item = std::array<std::uint64_t, Values::kWords>;
  struct Head {
    std::uint64_t size, room;
    Item* items() { return reinterpret_cast<Item*>(this + 1); }
    const Item* items() const { return reinterpret_cast<const Item*>(this + 1); }
  };
  static const Head* Of(std::uint64_t word) { return std::bit_cast<const Head*>(word); }
  static std::uint64_t Size(std::uint64_t word) { return word == 0 ? 0 : Of(word)->size; }

  ValueList(state::BlockHeap* heap, std::uint64_t* word) : heap_(heap), word_(word) {}
  std::uint64_t size() const { return Size(*word_); }
  Item* items() { return head()->items(); }
  void Append(typename Values::View value) {
    if (*word_ == 0 || head()->size == head()->room) Grow();
    Values::Put(heap_, head()->items()[head()->size++].data(), value);
  }
  void Replace(Item* item, typename Values::View value) {
    Values::Drop(heap_, item->data());
    Values::Put(heap_, item->data(), value);
  }
  void Erase(Item* item) {
    Values::Drop(heap_, item->data());
    std::copy(item + 1, items() + size(), item);
    --head()->size;
  }
  void Release() {
    if (*word_ == 0) return;
    for (std::uint64_t i = 0; Values::kOwns && i < size(); ++i) Values::Drop(heap_, items()[i].data());
    heap_->Free(head(), Bytes(head()->room));
    *word_ = 0;
  }

 private:
  Head* head() { return std::bit_cast<Head*>(*word_); }
  static std::size_t Bytes(std::uint64_t room) { return sizeof(Head) + room * sizeof(Item); }
  void Grow() {
    Head* old = head();
    const std::size_t bytes = state::BlockHeap::Rounded(Bytes(old == nullptr ? 2 : old->room * 2));
    auto* made = static_cast<Head*>(heap_->Allocate(bytes));
    made->size = old == nullptr ? 0 : old->size;
    made->room = (bytes - sizeof(Head)) / sizeof(Item);
    if (old != nullptr) {
      std::copy_n(old->items(), old->size, made->items());
      heap_->Free(old, Bytes(old->room));
    }
    *word_ = std::bit_cast<std::uint64_t>(made);
  }

  state::BlockHeap* const heap_;
  std::uint64_t* const word_;
};

/// What top and collect have in common: a word that points at a list. kTop: the limit_ greatest, as a heap with the least in front; else
/// values in the order of arrival, the first limit_ of them unless that is 0.
template <typename Values, bool kTop>
class Listed final : public ValueAggregate<Values> {
  using Base = ValueAggregate<Values>;
  using List = ValueList<Values>;
  using Item = typename List::Item;

 public:
  Listed(std::uint32_t at, std::shared_ptr<arrow::DataType> type, std::uint64_t limit) : Base(at, std::move(type)), limit_(limit) {}
  std::uint32_t state_words() const override { return 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return arrow::list(this->type_); }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    for (std::int64_t i = 0; i < rows; ++i)
      if (Base::Counts(input, i)) HR_RETURN_NOT_OK(Take(groups[i] + this->at_, Values::At(input, i)));
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) {
      const std::uint64_t word = from[i][this->at_];
      for (std::uint64_t item = 0; item < List::Size(word); ++item)
        HR_RETURN_NOT_OK(Take(into[i] + this->at_, Values::Of(List::Of(word)->items()[item].data())));
    }
    return Status::OK();
  }
  /// The lists of many slices would hold each value once for each slice in front of it.
  bool grows_when_merged() const override { return !kTop; }
  /// collect() without a limit: the first of the values that are the same goes.
  bool retractable() const override { return !kTop && limit_ == 0; }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    if (!retractable()) return AggregateFunction::Retract(input, groups, rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      if (!Base::Counts(input, i)) continue;
      List list(&this->heap_, groups[i] + this->at_);
      for (std::uint64_t item = 0; item < list.size(); ++item) {
        if (!Values::Same(Values::Of(list.items()[item].data()), Values::At(input, i))) continue;
        list.Erase(list.items() + item);
        break;
      }
    }
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((count + 1) * 4));
    auto* ends = reinterpret_cast<std::int32_t*>(offsets->mutable_data());
    std::vector<Item> items;
    for (std::int64_t i = 0; i < count; ++i) {
      ends[i] = static_cast<std::int32_t>(items.size());
      const std::uint64_t word = groups[i][this->at_];
      if (word == 0) continue;
      const auto first = static_cast<std::ptrdiff_t>(items.size());
      items.insert(items.end(), List::Of(word)->items(), List::Of(word)->items() + List::Size(word));
      if (items.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        return Status::CapacityError("the lists of one batch of results hold more than 2^31 values");
      if (kTop) std::sort(items.begin() + first, items.end(), Greater);
    }
    ends[count] = static_cast<std::int32_t>(items.size());
    HR_ASSIGN_OR_RAISE(auto values, ValueColumn(this->type_, reinterpret_cast<const std::uint64_t*>(items.data()),
                                                static_cast<std::int64_t>(items.size()), nullptr));
    return arrow::MakeArray(arrow::ArrayData::Make(result_type(), count, {nullptr, std::move(offsets)}, {values->data()}, 0));
  }
  bool owns_memory() const override { return true; }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override {
    for (std::int64_t i = 0; i < count; ++i) List(&this->heap_, groups[i] + this->at_).Release();
  }

 private:
  static constexpr std::uint64_t kMostValues = 1u << 26;
  static bool Greater(const Item& a, const Item& b) { return Values::Before(Values::Of(b.data()), Values::Of(a.data())); }

  Status Take(std::uint64_t* word, typename Values::View value) const {
    List list(&this->heap_, word);
    if (!kTop) {
      if (limit_ != 0 && list.size() >= limit_) return Status::OK();
      if (list.size() >= kMostValues)
        return Error(ErrorCode::kExpressionFailed, "collect() of one group has more than 67,108,864 values", "Give it a limit.");
      list.Append(value);
      return Status::OK();
    }
    if (list.size() < limit_) {
      list.Append(value);
      std::push_heap(list.items(), list.items() + list.size(), Greater);
      return Status::OK();
    }
    if (!Values::Before(Values::Of(list.items()->data()), value)) return Status::OK();
    std::pop_heap(list.items(), list.items() + limit_, Greater);
    list.Replace(list.items() + limit_ - 1, value);
    std::push_heap(list.items(), list.items() + limit_, Greater);
    return Status::OK();
  }

  const std::uint64_t limit_;
};

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeListed(const AggregateSettings& settings, std::uint32_t at) {
  HR_ASSIGN_OR_RAISE(const ValueKind kind, ValueKindOf(*settings.type));
  return WithValues(kind, [&](auto values) -> std::unique_ptr<AggregateFunction> {
    using Values = decltype(values);
    if (settings.name == "top")
      return std::make_unique<Listed<Values, true>>(at, settings.type, std::max<std::uint64_t>(settings.limit, 1));
    return std::make_unique<Listed<Values, false>>(at, settings.type, settings.limit);
  });
}

}  // namespace headrace::data::op
