#include <arrow/array.h>
#include <arrow/type.h>

#include <utility>
#include <vector>

#include "data/operator/aggregate/make_aggregate.h"

namespace headrace::data::op {
namespace {

/// The least or greatest value. Words: the value's, then 1 once there is one.
template <typename Values, bool kMax>
class Extreme final : public ValueAggregate<Values> {
  using Base = ValueAggregate<Values>;

 public:
  using Base::Base;
  std::uint32_t state_words() const override { return kFlag + 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return this->type_; }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    for (std::int64_t i = 0; i < rows; ++i)
      if (Base::Counts(input, i)) Take(groups[i] + this->at_, Values::At(input, i));
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i)
      if (from[i][this->at_ + kFlag] != 0) Take(into[i] + this->at_, Values::Of(from[i] + this->at_));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    return this->Values1(groups, count, [](const std::uint64_t* state) { return state[kFlag] == 0 ? nullptr : state; });
  }
  bool owns_memory() const override { return Values::kOwns; }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override {
    for (std::int64_t i = 0; Values::kOwns && i < count; ++i) {
      std::uint64_t* state = groups[i] + this->at_;
      if (std::exchange(state[kFlag], 0) != 0) Values::Drop(&this->heap_, state);
    }
  }

 private:
  static constexpr std::uint32_t kFlag = Values::kWords;
  void Take(std::uint64_t* state, typename Values::View value) const {
    if (state[kFlag] != 0) {
      const typename Values::View had = Values::Of(state);
      if (!(kMax ? Values::Before(had, value) : Values::Before(value, had))) return;
      Values::Drop(&this->heap_, state);
    }
    Values::Put(&this->heap_, state, value);
    state[kFlag] = 1;
  }
};

/// The value of the earliest or latest row. Words: the value's, the row's time, then 1 once there is one. Of rows of one time, and of
/// rows without times, the one that came first or last.
template <typename Values, bool kLast>
class AtTime final : public ValueAggregate<Values> {
  using Base = ValueAggregate<Values>;

 public:
  using Base::Base;
  std::uint32_t state_words() const override { return kFlag + 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return this->type_; }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    for (std::int64_t i = 0; i < rows; ++i) {
      if (!Base::Counts(input, i)) continue;
      std::uint64_t* state = groups[i] + this->at_;
      const std::int64_t time = input.event_times == nullptr ? 0 : input.event_times[i];
      if (Takes(state, time)) Put(state, time, Values::At(input, i));
    }
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) {
      const std::uint64_t* state = from[i] + this->at_;
      if (state[kFlag] == 0) continue;
      const auto time = static_cast<std::int64_t>(state[kTime]);
      if (Takes(into[i] + this->at_, time)) Put(into[i] + this->at_, time, Values::Of(state));
    }
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    return this->Values1(groups, count, [](const std::uint64_t* state) { return state[kFlag] == 0 ? nullptr : state; });
  }
  bool owns_memory() const override { return Values::kOwns; }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override {
    for (std::int64_t i = 0; Values::kOwns && i < count; ++i) {
      std::uint64_t* state = groups[i] + this->at_;
      if (std::exchange(state[kFlag], 0) != 0) Values::Drop(&this->heap_, state);
    }
  }

 private:
  static constexpr std::uint32_t kTime = Values::kWords, kFlag = Values::kWords + 1;
  static bool Takes(const std::uint64_t* state, std::int64_t time) {
    if (state[kFlag] == 0) return true;
    const auto had = static_cast<std::int64_t>(state[kTime]);
    return kLast ? time >= had : time < had;
  }
  void Put(std::uint64_t* state, std::int64_t time, typename Values::View value) const {
    if (state[kFlag] != 0) Values::Drop(&this->heap_, state);
    Values::Put(&this->heap_, state, value);
    state[kTime] = static_cast<std::uint64_t>(time);
    state[kFlag] = 1;
  }
};

template <template <typename, bool> typename Function>
Result<std::unique_ptr<AggregateFunction>> Make(const AggregateSettings& settings, bool second, std::uint32_t at) {
  HR_ASSIGN_OR_RAISE(const ValueKind kind, ValueKindOf(*settings.type));
  return WithValues(kind, [&](auto values) -> std::unique_ptr<AggregateFunction> {
    using Values = decltype(values);
    if (second) return std::make_unique<Function<Values, true>>(at, settings.type);
    return std::make_unique<Function<Values, false>>(at, settings.type);
  });
}

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeExtreme(const AggregateSettings& settings, std::uint32_t at) {
  return Make<Extreme>(settings, settings.name == "max", at);
}

Result<std::unique_ptr<AggregateFunction>> MakeAtTime(const AggregateSettings& settings, std::uint32_t at) {
  return Make<AtTime>(settings, settings.name == "last", at);
}

}  // namespace headrace::data::op
