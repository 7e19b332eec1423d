#pragma once
#include <arrow/type_fwd.h>

#include <bit>
#include <cmath>
#include <compare>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "data/operator/aggregate_function.h"
#include "data/state/block_heap.h"

namespace headrace::data::op {

/// How values of a type stand in the words of an aggregate's state.
enum class ValueKind { kSigned, kUnsigned, kFloat, kDecimal, kText };

/// NotImplemented for types that aggregates do not keep (lists, structs, untyped values).
Result<ValueKind> ValueKindOf(const arrow::DataType& type);

/// A column of `type` out of values as they stand in words, one after the other. `valid`: a byte a value; null = all are.
Result<std::shared_ptr<arrow::Array>> ValueColumn(const std::shared_ptr<arrow::DataType>& type, const std::uint64_t* words,
                                                  std::int64_t count, const std::uint8_t* valid);

/// The policies below say for one kind of values: how many words one takes, how it comes out of a column, how two compare, and what
/// it holds outside its words. They are template arguments of the functions that keep values.

/// Numbers of 8 bytes, by order: T is int64, uint64 or double.
template <typename T>
struct NumberValues {
  static constexpr std::uint32_t kWords = 1;
  static constexpr bool kOwns = false;
  using View = T;
  static View At(const AggregateInput& input, std::int64_t row) {
    T value = static_cast<const T*>(input.values)[row];
    if constexpr (std::is_same_v<T, double>) {  // one NaN, one zero
      if (value != value) value = std::numeric_limits<double>::quiet_NaN();
      if (value == 0) value = 0;
    }
    return value;
  }
  static View Of(const std::uint64_t* words) { return std::bit_cast<T>(words[0]); }
  static void Put(state::BlockHeap*, std::uint64_t* words, View value) { words[0] = std::bit_cast<std::uint64_t>(value); }
  static void Drop(state::BlockHeap*, std::uint64_t*) {}
  static bool Before(View a, View b) {
    if constexpr (std::is_same_v<T, double>) {
      if (a != a) return false;
      if (b != b) return true;
    }
    return a < b;
  }
  static bool Same(View a, View b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }
  static std::uint64_t Hash(View value) { return Mix(std::bit_cast<std::uint64_t>(value)); }
  static std::uint64_t Mix(std::uint64_t x) {
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93ULL;
    x ^= x >> 29;
    x *= 0x9E3779B97F4A7C15ULL;
    return x ^ (x >> 32);
  }
};

struct DecimalValues {
  static constexpr std::uint32_t kWords = 2;
  static constexpr bool kOwns = false;
  using View = __int128;
  static View At(const AggregateInput& input, std::int64_t row) { return Of(static_cast<const std::uint64_t*>(input.values) + 2 * row); }
  static View Of(const std::uint64_t* words) {
    View value;
    std::memcpy(&value, words, 16);
    return value;
  }
  static void Put(state::BlockHeap*, std::uint64_t* words, View value) { std::memcpy(words, &value, 16); }
  static void Drop(state::BlockHeap*, std::uint64_t*) {}
  static bool Before(View a, View b) { return a < b; }
  static bool Same(View a, View b) { return a == b; }
  static std::uint64_t Hash(View value) {
    const auto low = static_cast<std::uint64_t>(value), high = static_cast<std::uint64_t>(value >> 64);
    return NumberValues<std::uint64_t>::Mix(low ^ std::rotl(NumberValues<std::uint64_t>::Mix(high), 17));
  }
};

/// Texts and bytes, by their bytes: the word points at a block with size and bytes.
struct TextValues {
  static constexpr std::uint32_t kWords = 1;
  static constexpr bool kOwns = true;
  using View = std::string_view;
  struct Block {
    std::uint64_t size;
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  };
  static View At(const AggregateInput& input, std::int64_t row);
  static View Of(const std::uint64_t* words) {
    const auto* block = std::bit_cast<const Block*>(words[0]);
    return {block->bytes(), block->size};
  }
  static void Put(state::BlockHeap* heap, std::uint64_t* words, View value) {
    auto* block = static_cast<Block*>(heap->Allocate(sizeof(Block) + value.size()));
    block->size = value.size();
    std::memcpy(block->bytes(), value.data(), value.size());
    words[0] = std::bit_cast<std::uint64_t>(block);
  }
  static void Drop(state::BlockHeap* heap, std::uint64_t* words) {
    auto* block = std::bit_cast<Block*>(words[0]);
    heap->Free(block, sizeof(Block) + block->size);
    words[0] = 0;
  }
  static bool Before(View a, View b) { return a < b; }
  static bool Same(View a, View b) { return a == b; }
  static std::uint64_t Hash(View value);
};

/// Calls make(policy) with the policy of a kind.
template <typename Make>
auto WithValues(ValueKind kind, Make make) {
  switch (kind) {
    case ValueKind::kSigned:
      return make(NumberValues<std::int64_t>{});
    case ValueKind::kUnsigned:
      return make(NumberValues<std::uint64_t>{});
    case ValueKind::kFloat:
      return make(NumberValues<double>{});
    case ValueKind::kDecimal:
      return make(DecimalValues{});
    case ValueKind::kText:
      return make(TextValues{});
  }
  return make(TextValues{});
}

}  // namespace headrace::data::op
