#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace headrace::columnar {

/// Value tags of docs/formats/value.md §1.
enum class ValueTag : std::uint8_t {
  kNone = 0x00,
  kFalse = 0x01,
  kTrue = 0x02,
  kInt = 0x03,
  kBigInt = 0x04,
  kFloat = 0x05,
  kString = 0x06,
  kBytes = 0x07,
  kTuple = 0x08,
  kList = 0x09,
  kDict = 0x0A,
  kSet = 0x0B,
  kFrozenSet = 0x0C,
  kDecimal = 0x0D,
  kAwareDatetime = 0x0E,
  kNaiveDatetime = 0x0F,
  kDate = 0x10,
  kTime = 0x11,
  kTimedelta = 0x12,
  kDataclass = 0x13,
  kPickle = 0x14,
  kUuid = 0x15,
};

/// Appends value-encoded items to a string. Containers: write the header, then exactly as many items.
class ValueWriter {
 public:
  explicit ValueWriter(std::string* out) : out_(out) {}
  void None();
  void Bool(bool value);
  void Int(std::int64_t value);
  void Float(double value);
  void String(std::string_view utf8);
  void Bytes(std::string_view bytes);
  void Decimal(std::string_view text);  ///< as Python's str(Decimal) writes it
  void AwareDatetime(std::int64_t micros_utc, std::int32_t utc_offset_seconds);
  void NaiveDatetime(std::int64_t micros);
  void Date(std::int64_t days);
  void Time(std::int64_t micros);
  void Timedelta(std::int64_t micros);
  void TupleHeader(std::uint64_t items);
  void ListHeader(std::uint64_t items);
  void DictHeader(std::uint64_t entries);

 private:
  std::string* out_;
};

/// A decoded value as a tree, for the few places where C++ looks inside (errors of workers, collections, JSON output). Not for row paths.
struct Value {
  ValueTag tag = ValueTag::kNone;
  std::int64_t integer = 0;             ///< kInt, kDate, kTime, kTimedelta, datetimes (µs)
  double real = 0;                      ///< kFloat
  std::int32_t utc_offset_seconds = 0;  ///< kAwareDatetime
  std::string text;          ///< kString, kBytes, kDecimal, kBigInt (decimal digits), kDataclass (name), kPickle (raw), kUuid (16 bytes)
  std::vector<Value> items;  ///< kTuple, kList, sets; kDict: key, value, key, value…; kDataclass: name, value, …
  /// Entry of a kDict by string key, or nullptr.
  const Value* Find(std::string_view key) const;
};

/// Invalid with the byte offset when the bytes are not exactly one value; nesting is capped at 100, items at the input's size.
Result<Value> DecodeValue(std::string_view bytes);
/// Compact JSON of one encoded value: tuple and set → array, bytes → base64, Decimal → string, datetimes → ISO 8601, dataclass → object,
/// NaN/Infinity → null, pickled → "<pickled, n bytes>". Streams without building a tree.
Status AppendJson(std::string_view value_bytes, std::string* out);
/// For logs and print(): as Python's repr would show it, shortened to `max_chars`.
std::string ReprOf(std::string_view value_bytes, std::size_t max_chars = 200);

}  // namespace headrace::columnar
