#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "data/operator/aggregate/make_aggregate.h"

namespace headrace::data::op {
namespace {

template <typename T>
T Get(const std::uint64_t* word) {
  return std::bit_cast<T>(*word);
}
template <typename T>
void Set(std::uint64_t* word, T value) {
  *word = std::bit_cast<std::uint64_t>(value);
}

class Count final : public AggregateFunction {
 public:
  explicit Count(std::uint32_t at) : at_(at) {}
  std::uint32_t state_words() const override { return 1; }
  std::shared_ptr<arrow::DataType> result_type() const override { return arrow::int64(); }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    if (input.valid == nullptr) {
      for (std::int64_t i = 0; i < rows; ++i) ++groups[i][at_];
    } else {
      for (std::int64_t i = 0; i < rows; ++i) groups[i][at_] += input.valid[i];
    }
    return Status::OK();
  }
  bool retractable() const override { return true; }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    for (std::int64_t i = 0; i < rows; ++i) groups[i][at_] -= input.valid == nullptr ? 1 : input.valid[i];
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) into[i][at_] += from[i][at_];
    return Status::OK();
  }
  bool invertible() const override { return true; }
  Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) into[i][at_] -= from[i][at_];
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) counts[static_cast<std::size_t>(i)] = groups[i][at_];
    return ValueColumn(arrow::int64(), counts.data(), count, nullptr);
  }

 private:
  const std::uint32_t at_;
};

/// Words: sum, number of rows that count. Ints are summed as int64; a running sum may leave the range on its way (rows are taken back in
/// any order), so overflow is told where it happens and never wraps into a result.
template <typename T, bool kAverage>
class Sum final : public AggregateFunction {
 public:
  Sum(std::uint32_t at, const std::shared_ptr<arrow::DataType>& type) : at_(at), type_(kAverage ? arrow::float64() : type) {}
  std::uint32_t state_words() const override { return 2; }
  std::shared_ptr<arrow::DataType> result_type() const override { return type_; }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each<false>(input, groups, rows);
  }
  bool retractable() const override { return true; }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each<true>(input, groups, rows);
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    bool overflow = false;
    for (std::int64_t i = 0; i < groups; ++i) {
      overflow |= Move<false>(into[i] + at_, Get<T>(from[i] + at_));
      into[i][at_ + 1] += from[i][at_ + 1];
    }
    return overflow ? Overflow() : Status::OK();
  }
  /// A float sum that shrinks again would drift.
  bool invertible() const override { return std::is_integral_v<T>; }
  Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    if (!invertible()) return AggregateFunction::Subtract(into, from, groups);
    for (std::int64_t i = 0; i < groups; ++i) {
      into[i][at_] -= from[i][at_];
      into[i][at_ + 1] -= from[i][at_ + 1];
    }
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    std::vector<std::uint64_t> words(static_cast<std::size_t>(count));
    std::vector<std::uint8_t> valid(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* state = groups[i] + at_;
      const auto at = static_cast<std::size_t>(i);
      valid[at] = state[1] != 0;
      words[at] = state[0];
      if (kAverage && state[1] != 0)
        Set(&words[at], static_cast<double>(Get<T>(state)) / static_cast<double>(static_cast<std::int64_t>(state[1])));
    }
    return ValueColumn(type_, words.data(), count, valid.data());
  }

 private:
  template <bool kBack>
  Status Each(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const {
    const auto* values = static_cast<const T*>(input.values);
    bool overflow = false;
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid != nullptr && input.valid[i] == 0) continue;
      std::uint64_t* state = groups[i] + at_;
      overflow |= Move<kBack>(state, values[i]);
      state[1] += kBack ? ~std::uint64_t{0} : 1;
    }
    return overflow ? Overflow() : Status::OK();
  }
  template <bool kBack>
  static bool Move(std::uint64_t* state, T value) {
    if constexpr (std::is_integral_v<T>) {
      std::int64_t sum = 0;
      const bool overflow = kBack ? __builtin_sub_overflow(Get<std::int64_t>(state), value, &sum)
                                  : __builtin_add_overflow(Get<std::int64_t>(state), value, &sum);
      Set(state, sum);
      return overflow;
    } else {
      Set(state, kBack ? Get<T>(state) - value : Get<T>(state) + value);
      return false;
    }
  }
  static Status Overflow() {
    return Error(ErrorCode::kExpressionFailed,
                 kAverage ? "the sum of an average goes beyond the range of int64" : "a sum goes beyond the range of int64",
                 "Sum a float64 or a decimal: sum(col(...).cast(...)).");
  }
  const std::uint32_t at_;
  const std::shared_ptr<arrow::DataType> type_;
};

constexpr __int128 PowerOf10(int digits) {
  __int128 power = 1;
  while (digits-- > 0) power *= 10;
  return power;
}
constexpr __int128 kDecimalEnd = PowerOf10(38);

/// Words: sum (two), number of rows that count.
class DecimalSum final : public AggregateFunction {
 public:
  DecimalSum(std::uint32_t at, int scale, bool average)
      : at_(at), average_digits_(average ? std::min(4, 38 - scale) : 0), average_(average) {
    type_ = arrow::decimal128(38, scale + average_digits_);
  }
  std::uint32_t state_words() const override { return 3; }
  std::shared_ptr<arrow::DataType> result_type() const override { return type_; }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each(input, groups, rows, 1);
  }
  bool retractable() const override { return true; }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return Each(input, groups, rows, -1);
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    bool overflow = false;
    for (std::int64_t i = 0; i < groups; ++i) overflow |= Move(into[i] + at_, DecimalValues::Of(from[i] + at_), from[i][at_ + 2]);
    return overflow ? Overflow() : Status::OK();
  }
  bool invertible() const override { return true; }
  Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i) Move(into[i] + at_, -DecimalValues::Of(from[i] + at_), ~from[i][at_ + 2] + 1);
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    std::vector<std::uint64_t> words(static_cast<std::size_t>(count) * 2);
    std::vector<std::uint8_t> valid(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* state = groups[i] + at_;
      const auto rows = static_cast<std::int64_t>(state[2]);
      valid[static_cast<std::size_t>(i)] = rows != 0;
      __int128 value = DecimalValues::Of(state);
      if (average_ && rows != 0) HR_RETURN_NOT_OK(Average(rows, &value));
      DecimalValues::Put(nullptr, &words[static_cast<std::size_t>(i) * 2], value);
    }
    return ValueColumn(type_, words.data(), count, valid.data());
  }

 private:
  Status Each(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows, int sign) const {
    bool overflow = false;
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid != nullptr && input.valid[i] == 0) continue;
      const __int128 value = DecimalValues::At(input, i);
      overflow |= Move(groups[i] + at_, sign < 0 ? -value : value, static_cast<std::uint64_t>(static_cast<std::int64_t>(sign)));
    }
    return overflow ? Overflow() : Status::OK();
  }
  static bool Move(std::uint64_t* state, __int128 value, std::uint64_t rows) {
    // Both are below 10^38, which leaves room for one sum in 127 bits.
    const __int128 sum = DecimalValues::Of(state) + value;
    DecimalValues::Put(nullptr, state, sum);
    state[2] += rows;
    return sum >= kDecimalEnd || sum <= -kDecimalEnd;
  }
  /// Whole part and rest apart, so that only the rest is widened.
  Status Average(std::int64_t rows, __int128* value) const {
    const __int128 power = PowerOf10(average_digits_);
    const __int128 whole = *value / rows, rest = *value % rows;
    __int128 scaled = rest * power;
    const __int128 half = scaled % rows;
    scaled /= rows;
    if (half * 2 >= rows) ++scaled;
    if (half * 2 <= -static_cast<__int128>(rows)) --scaled;
    __int128 result = 0;
    if (__builtin_mul_overflow(whole, power, &result) || __builtin_add_overflow(result, scaled, &result) || result >= kDecimalEnd ||
        result <= -kDecimalEnd)
      return Error(ErrorCode::kExpressionFailed, "an average has more than 38 digits");
    *value = result;
    return Status::OK();
  }
  static Status Overflow() {
    return Error(ErrorCode::kExpressionFailed, "a sum of decimals has more than 38 digits", "Sum a float64: sum(col(...).cast(...)).");
  }

  const std::uint32_t at_;
  const int average_digits_;
  const bool average_;
  std::shared_ptr<arrow::DataType> type_;
};

template <typename T>
std::unique_ptr<AggregateFunction> SumOf(const AggregateSettings& settings, std::uint32_t at) {
  if (settings.name == "avg") return std::make_unique<Sum<T, true>>(at, settings.type);
  return std::make_unique<Sum<T, false>>(at, settings.type);
}

}  // namespace

std::unique_ptr<AggregateFunction> MakeCount(std::uint32_t at) { return std::make_unique<Count>(at); }

Result<std::unique_ptr<AggregateFunction>> MakeSum(const AggregateSettings& settings, std::uint32_t at) {
  switch (settings.type->id()) {
    case arrow::Type::INT64:
    case arrow::Type::DURATION:
      return SumOf<std::int64_t>(settings, at);
    case arrow::Type::DOUBLE:
      return SumOf<double>(settings, at);
    case arrow::Type::DECIMAL128:
      return std::make_unique<DecimalSum>(at, static_cast<const arrow::DecimalType&>(*settings.type).scale(), settings.name == "avg");
    default:
      return Status::Invalid("no ", settings.name, " of ", settings.type->ToString());
  }
}

}  // namespace headrace::data::op
