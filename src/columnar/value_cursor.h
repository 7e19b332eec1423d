#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {

/// Deepest allowed nesting of containers.
inline constexpr int kMaxValueDepth = 100;

/// The head of one value: a whole scalar, or a container's tag and count (its items follow as further values).
struct ValueToken {
  ValueTag tag = ValueTag::kNone;
  std::int64_t integer = 0;             ///< kInt, kDate, kTime, kTimedelta, datetimes (µs)
  double real = 0;                      ///< kFloat
  std::int32_t utc_offset_seconds = 0;  ///< kAwareDatetime
  std::string_view bytes;               ///< strings, bytes, kBigInt (two's complement), kDecimal, kDataclass (name), kPickle, kUuid
  std::uint64_t items = 0;              ///< values to follow; kDict: pairs; kDataclass: pairs of ReadName() and a value
};

/// Walks over value-encoded bytes and checks all that can be checked of one head: tags, lengths, counts, UTF-8, ranges.
/// Borrows the bytes; one thread. Every error is Invalid with the byte offset.
class ValueCursor {
 public:
  explicit ValueCursor(std::string_view bytes) : bytes_(bytes) {}
  Status Next(ValueToken* token);
  /// The name of a dataclass field.
  Status ReadName(std::string_view* name);
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t offset() const { return at_; }
  Status Fail(std::string_view what) const;

 private:
  Status ReadVarint(std::uint64_t* value);
  Status ReadZigzag(std::int64_t* value);
  Status ReadBytes(std::uint64_t count, std::string_view* bytes);
  Status ReadCounted(std::string_view* bytes);
  Status ReadText(std::string_view* text);
  Status ReadFixed(void* out, std::size_t size);
  Status ReadCount(std::uint64_t bytes_per_item, std::uint64_t* count);
  Status ReadInRange(std::int64_t low, std::int64_t high, std::string_view what, std::int64_t value) const;

  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Moves over one whole value, containers with all they hold. Uses no stack of its own however deep it is nested.
Status SkipValue(ValueCursor* cursor);

/// Decimal digits of a two's complement, little-endian integer; hexadecimal with 0x beyond 1800 bytes, where decimal would cost too much.
std::string BigIntText(std::string_view twos_complement);

}  // namespace headrace::columnar
