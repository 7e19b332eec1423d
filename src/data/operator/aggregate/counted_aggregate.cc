#include <arrow/array.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "data/operator/aggregate/make_aggregate.h"

namespace headrace::data::op {
namespace {

/// The different values of a group with the number of rows each has: an open table in one block of the heap. A count below zero is
/// a value that was taken back before it came. Borrowed: the state's first word points at the block, 0 = none.
template <typename Values>
class CountedValues {
 public:
  static constexpr std::uint32_t kSlotWords = Values::kWords + 1;

  CountedValues(state::BlockHeap* heap, std::uint64_t* word) : heap_(heap), word_(word) {}

  /// Different values with rows.
  static std::int64_t Positive(std::uint64_t word) { return word == 0 ? 0 : std::bit_cast<const Head*>(word)->positive; }

  /// Adds `by` rows of a value; gives how many it has now.
  std::int64_t Add(typename Values::View value, std::int64_t by) {
    if (by == 0) return 0;
    if (*word_ == 0) *word_ = std::bit_cast<std::uint64_t>(NewBlock(kFirst));
    if ((head()->used + 1) * 4 > head()->slots * 3) Grow();
    std::uint64_t at = Values::Hash(value) & (head()->slots - 1);
    for (;; at = (at + 1) & (head()->slots - 1)) {
      std::uint64_t* slot = Slot(at);
      auto count = static_cast<std::int64_t>(slot[Values::kWords]);
      if (count == 0) {
        Values::Put(heap_, slot, value);
        slot[Values::kWords] = static_cast<std::uint64_t>(by);
        ++head()->used;
        head()->positive += by > 0;
        return by;
      }
      if (!Values::Same(Values::Of(slot), value)) continue;
      const std::int64_t now = count + by;
      head()->positive += (now > 0) - (count > 0);
      slot[Values::kWords] = static_cast<std::uint64_t>(now);
      if (now == 0) Remove(at);
      return now;
    }
  }
  /// Calls visit(words of the value, rows) for all values.
  template <typename Visit>
  static void ForEach(std::uint64_t word, Visit visit) {
    if (word == 0) return;
    const auto* head = std::bit_cast<const Head*>(word);
    const auto* slots = reinterpret_cast<const std::uint64_t*>(head + 1);
    for (std::uint64_t at = 0; at < head->slots; ++at, slots += kSlotWords)
      if (slots[Values::kWords] != 0) visit(slots, static_cast<std::int64_t>(slots[Values::kWords]));
  }
  void Release() {
    if (*word_ == 0) return;
    if constexpr (Values::kOwns) {
      for (std::uint64_t at = 0; at < head()->slots; ++at)
        if (Slot(at)[Values::kWords] != 0) Values::Drop(heap_, Slot(at));
    }
    heap_->Free(head(), Bytes(head()->slots));
    *word_ = 0;
  }

 private:
  struct Head {
    std::uint64_t slots, used;
    std::int64_t positive;
  };
  static constexpr std::uint64_t kFirst = 4;
  static std::size_t Bytes(std::uint64_t slots) { return sizeof(Head) + slots * kSlotWords * 8; }
  Head* head() { return std::bit_cast<Head*>(*word_); }
  std::uint64_t* Slot(std::uint64_t at) { return reinterpret_cast<std::uint64_t*>(head() + 1) + at * kSlotWords; }
  Head* NewBlock(std::uint64_t slots) {
    auto* made = static_cast<Head*>(heap_->Allocate(Bytes(slots)));
    std::memset(static_cast<void*>(made), 0, Bytes(slots));
    made->slots = slots;
    return made;
  }
  void Grow() {
    Head* old = head();
    Head* made = NewBlock(old->slots * 2);
    made->used = old->used;
    made->positive = old->positive;
    *word_ = std::bit_cast<std::uint64_t>(made);
    ForEach(std::bit_cast<std::uint64_t>(old), [&](const std::uint64_t* from, std::int64_t) {
      std::uint64_t at = Values::Hash(Values::Of(from)) & (made->slots - 1);
      while (Slot(at)[Values::kWords] != 0) at = (at + 1) & (made->slots - 1);
      std::copy_n(from, kSlotWords, Slot(at));
    });
    heap_->Free(old, Bytes(old->slots));
  }
  /// Empties a slot; those behind it that it had pushed on move back.
  void Remove(std::uint64_t at) {
    if constexpr (Values::kOwns) Values::Drop(heap_, Slot(at));
    const std::uint64_t mask = head()->slots - 1;
    --head()->used;
    std::uint64_t hole = at;
    for (std::uint64_t next = (at + 1) & mask; Slot(next)[Values::kWords] != 0; next = (next + 1) & mask) {
      const std::uint64_t home = Values::Hash(Values::Of(Slot(next))) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      std::copy_n(Slot(next), kSlotWords, Slot(hole));
      hole = next;
    }
    Slot(hole)[Values::kWords] = 0;
  }

  state::BlockHeap* const heap_;
  std::uint64_t* const word_;
};

/// What count_distinct, and min and max with retractions, have in common: all different values with their counts.
/// Words: the block, then what Changed() keeps.
template <typename Values>
class Counted : public ValueAggregate<Values> {
  using Base = ValueAggregate<Values>;

 public:
  using Base::Base;
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each(input, groups, rows, 1);
  }
  bool retractable() const override { return true; }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each(input, groups, rows, -1);
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    return All(into, from, groups, 1);
  }
  bool invertible() const override { return true; }
  Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    return All(into, from, groups, -1);
  }
  bool owns_memory() const override { return true; }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override {
    for (std::int64_t i = 0; i < count; ++i) CountedValues<Values>(&this->heap_, groups[i] + this->at_).Release();
  }

 private:
  Status Each(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows, std::int64_t by) const {
    for (std::int64_t i = 0; i < rows; ++i)
      if (Base::Counts(input, i)) CountedValues<Values>(&this->heap_, groups[i] + this->at_).Add(Values::At(input, i), by);
    return Status::OK();
  }
  Status All(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups, std::int64_t sign) const {
    for (std::int64_t i = 0; i < groups; ++i) {
      CountedValues<Values> values(&this->heap_, into[i] + this->at_);
      CountedValues<Values>::ForEach(from[i][this->at_],
                                     [&](const std::uint64_t* words, std::int64_t rows) { values.Add(Values::Of(words), rows * sign); });
    }
    return Status::OK();
  }
};

template <typename Values>
class CountDistinct final : public Counted<Values> {
 public:
  using Counted<Values>::Counted;
  std::uint32_t state_words() const override { return 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return arrow::int64(); }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      counts[static_cast<std::size_t>(i)] = static_cast<std::uint64_t>(CountedValues<Values>::Positive(groups[i][this->at_]));
    return ValueColumn(arrow::int64(), counts.data(), count, nullptr);
  }
};

/// min and max with retractions. Results look through a group's different values.
template <typename Values, bool kMax>
class CountedExtreme final : public Counted<Values> {
 public:
  using Counted<Values>::Counted;
  std::uint32_t state_words() const override { return 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return this->type_; }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    return this->Values1(groups, count, [](const std::uint64_t* state) {
      const std::uint64_t* best = nullptr;
      CountedValues<Values>::ForEach(state[0], [&](const std::uint64_t* words, std::int64_t rows) {
        if (rows <= 0) return;
        if (best == nullptr ||
            (kMax ? Values::Before(Values::Of(best), Values::Of(words)) : Values::Before(Values::Of(words), Values::Of(best))))
          best = words;
      });
      return best;
    });
  }
};

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeCounted(const AggregateSettings& settings, std::uint32_t at) {
  HR_ASSIGN_OR_RAISE(const ValueKind kind, ValueKindOf(*settings.type));
  return WithValues(kind, [&](auto values) -> std::unique_ptr<AggregateFunction> {
    using Values = decltype(values);
    if (settings.name == "max") return std::make_unique<CountedExtreme<Values, true>>(at, settings.type);
    if (settings.name == "min") return std::make_unique<CountedExtreme<Values, false>>(at, settings.type);
    return std::make_unique<CountDistinct<Values>>(at, settings.type);
  });
}

}  // namespace headrace::data::op
