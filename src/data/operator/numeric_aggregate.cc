#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "data/operator/aggregate_function.h"

namespace headrace::data::op {

Status AggregateFunction::Subtract(std::uint64_t* const*, const std::uint64_t* const*, std::int64_t) const {
  return Status::NotImplemented("this aggregate cannot take rows back");
}

namespace {

template <typename T>
T Get(const std::uint64_t* word) {
  return std::bit_cast<T>(*word);
}
template <typename T>
void Set(std::uint64_t* word, T value) {
  *word = std::bit_cast<std::uint64_t>(value);
}

/// A column of 8-byte results, null where is_null(i).
template <typename T, typename ValueOf, typename IsNull>
Result<std::shared_ptr<arrow::Array>> Column(const std::shared_ptr<arrow::DataType>& type, std::int64_t count, ValueOf value_of,
                                             IsNull is_null) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(count * 8));
  auto* out = reinterpret_cast<T*>(values->mutable_data());
  std::int64_t nulls = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = value_of(i);
    nulls += is_null(i) ? 1 : 0;
  }
  std::shared_ptr<arrow::Buffer> validity;
  if (nulls > 0) {
    HR_ASSIGN_OR_RAISE(validity, arrow::AllocateEmptyBitmap(count));
    for (std::int64_t i = 0; i < count; ++i)
      if (!is_null(i)) arrow::bit_util::SetBit(validity->mutable_data(), i);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, count, {std::move(validity), std::move(values)}, nulls));
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
    return Column<std::int64_t>(
        arrow::int64(), count, [&](std::int64_t i) { return Get<std::int64_t>(&groups[i][at_]); }, [](std::int64_t) { return false; });
  }

 private:
  const std::uint32_t at_;
};

/// Words: sum, number of rows that count.
template <typename T, bool kAverage>
class Sum final : public AggregateFunction {
 public:
  explicit Sum(std::uint32_t at) : at_(at) {}
  std::uint32_t state_words() const override { return 2; }
  std::shared_ptr<arrow::DataType> result_type() const override {
    return kAverage || std::is_floating_point_v<T> ? arrow::float64() : arrow::int64();
  }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    const auto* values = static_cast<const T*>(input.values);
    bool overflow = false;
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid != nullptr && input.valid[i] == 0) continue;
      std::uint64_t* state = groups[i] + at_;
      overflow |= AddTo(state, values[i]);
      ++state[1];
    }
    return overflow ? Overflow() : Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    bool overflow = false;
    for (std::int64_t i = 0; i < groups; ++i) {
      overflow |= AddTo(into[i] + at_, Get<T>(from[i] + at_));
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
    const auto none = [&](std::int64_t i) { return groups[i][at_ + 1] == 0; };
    if constexpr (kAverage) {
      return Column<double>(
          arrow::float64(), count,
          [&](std::int64_t i) {
            const auto rows = static_cast<double>(groups[i][at_ + 1]);
            return rows == 0 ? 0.0 : static_cast<double>(Get<T>(&groups[i][at_])) / rows;
          },
          none);
    } else {
      return Column<T>(
          result_type(), count, [&](std::int64_t i) { return Get<T>(&groups[i][at_]); }, none);
    }
  }

 private:
  static bool AddTo(std::uint64_t* state, T value) {
    if constexpr (std::is_integral_v<T>) {
      std::int64_t sum = 0;
      const bool overflow = __builtin_add_overflow(Get<std::int64_t>(state), value, &sum);
      Set(state, sum);
      return overflow;
    } else {
      Set(state, Get<T>(state) + value);
      return false;
    }
  }
  static Status Overflow() { return Status::Invalid("a sum goes beyond the range of int64"); }
  const std::uint32_t at_;
};

/// Words: value, 1 once there is one. NaN is greater than every number, as in DuckDB and PostgreSQL.
template <typename T, bool kMax>
class Extreme final : public AggregateFunction {
 public:
  Extreme(std::uint32_t at, std::shared_ptr<arrow::DataType> type) : at_(at), type_(std::move(type)) {}
  std::uint32_t state_words() const override { return 2; }
  std::shared_ptr<arrow::DataType> result_type() const override { return type_; }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    const auto* values = static_cast<const T*>(input.values);
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid != nullptr && input.valid[i] == 0) continue;
      Take(groups[i] + at_, values[i]);
    }
    return Status::OK();
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    for (std::int64_t i = 0; i < groups; ++i)
      if (from[i][at_ + 1] != 0) Take(into[i] + at_, Get<T>(from[i] + at_));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    return Column<T>(
        type_, count, [&](std::int64_t i) { return Get<T>(&groups[i][at_]); }, [&](std::int64_t i) { return groups[i][at_ + 1] == 0; });
  }

 private:
  static bool Before(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (a != a) return false;
      if (b != b) return true;
    }
    return a < b;
  }
  static void Take(std::uint64_t* state, T value) {
    const T had = Get<T>(state);
    if (state[1] == 0 || (kMax ? Before(had, value) : Before(value, had))) Set(state, value);
    state[1] = 1;
  }
  const std::uint32_t at_;
  const std::shared_ptr<arrow::DataType> type_;
};

template <typename T>
std::unique_ptr<AggregateFunction> OfType(const std::string& name, const std::shared_ptr<arrow::DataType>& type, std::uint32_t at) {
  if (name == "sum") return std::make_unique<Sum<T, false>>(at);
  if (name == "avg") return std::make_unique<Sum<T, true>>(at);
  if (name == "min") return std::make_unique<Extreme<T, false>>(at, type);
  if (name == "max") return std::make_unique<Extreme<T, true>>(at, type);
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeNumericAggregate(const std::string& name, const std::shared_ptr<arrow::DataType>& type,
                                                                std::uint32_t word_offset) {
  if (name == "count") return std::make_unique<Count>(word_offset);
  std::unique_ptr<AggregateFunction> made;
  if (type != nullptr && (type->id() == arrow::Type::INT64 || type->id() == arrow::Type::TIMESTAMP))
    made = OfType<std::int64_t>(name, type, word_offset);
  if (type != nullptr && type->id() == arrow::Type::DOUBLE) made = OfType<double>(name, type, word_offset);
  if (made == nullptr) return Status::Invalid("no aggregate ", name, " of ", type == nullptr ? "nothing" : type->ToString());
  return made;
}

}  // namespace headrace::data::op
