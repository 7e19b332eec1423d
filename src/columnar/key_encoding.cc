#include "columnar/key_encoding.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace headrace::columnar {
namespace {

constexpr char kTagNone = 0x10, kTagNumber = 0x20, kTagNan = 0x21, kTagBytes = 0x30, kTagString = 0x40;
/// Tag, eight bytes of float, the flag, and for a remainder (at most 1023 beside an int64) its exponent, four digits and the end.
constexpr std::int64_t kMaxNumberBytes = 1 + 8 + 1 + 4 + 4 + 1;

char* PutBigEndian(std::uint64_t value, int bytes, char* out) {
  for (int i = bytes - 1; i >= 0; --i) *out++ = static_cast<char>(value >> (8 * i));
  return out;
}

char* PutOrderedDouble(double value, char* out) {
  auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  bits = (bits >> 63) != 0 ? ~bits : bits | (1ULL << 63);
  return PutBigEndian(bits, 8, out);
}

char* PutFloat(double value, char* out) {
  if (std::isnan(value)) {
    *out++ = kTagNan;
    return out;
  }
  *out++ = kTagNumber;
  out = PutOrderedDouble(value, out);
  *out++ = 0;
  return out;
}

/// Whether the float `d`, rounded from an int64, lies above `value`.
bool IsAbove(double d, std::int64_t value) { return d >= 0x1p63 || static_cast<std::int64_t>(d) > value; }

char* PutInt(std::int64_t value, char* out) {
  *out++ = kTagNumber;
  double floor = static_cast<double>(value);
  if (IsAbove(floor, value)) floor = std::nextafter(floor, -std::numeric_limits<double>::infinity());
  out = PutOrderedDouble(floor, out);
  std::int64_t rest = value - static_cast<std::int64_t>(floor);
  if (rest == 0) {
    *out++ = 0;
    return out;
  }
  *out++ = 1;
  char digits[24];
  int count = 0;
  for (; rest > 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
  out = PutBigEndian(0x80000000u + static_cast<std::uint32_t>(count), 4, out);
  int lowest = 0;
  while (digits[lowest] == '0') ++lowest;
  for (int i = count - 1; i >= lowest; --i) *out++ = digits[i];
  *out++ = 0;
  return out;
}

char* PutEscaped(char tag, std::string_view bytes, bool may_hold_zeros, char* out) {
  *out++ = tag;
  if (!may_hold_zeros) {
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
  } else {
    for (char c : bytes) {
      *out++ = c;
      if (c == 0) *out++ = static_cast<char>(0xFF);
    }
  }
  *out++ = 0;
  *out++ = 0;
  return out;
}

/// Collects the rows of one key column in two buffers that are sized once.
class KeyColumnWriter {
 public:
  static Result<KeyColumnWriter> Make(std::int64_t rows, std::int64_t max_bytes) {
    KeyColumnWriter writer;
    HR_ASSIGN_OR_RAISE(writer.offsets_, arrow::AllocateBuffer((rows + 1) * static_cast<std::int64_t>(sizeof(std::int64_t))));
    HR_ASSIGN_OR_RAISE(writer.data_, arrow::AllocateResizableBuffer(max_bytes));
    writer.rows_ = rows;
    writer.next_offset_ = reinterpret_cast<std::int64_t*>(writer.offsets_->mutable_data());
    *writer.next_offset_++ = 0;
    writer.at_ = writer.begin();
    return writer;
  }
  char* at() const { return at_; }
  void EndRow(char* end) {
    at_ = end;
    *next_offset_++ = end - begin();
  }
  Result<std::shared_ptr<arrow::LargeBinaryArray>> Finish() {
    HR_RETURN_NOT_OK(data_->Resize(at_ - begin(), /*shrink_to_fit=*/false));
    return std::make_shared<arrow::LargeBinaryArray>(rows_, std::shared_ptr<arrow::Buffer>(std::move(offsets_)),
                                                     std::shared_ptr<arrow::Buffer>(std::move(data_)), nullptr, 0);
  }

 private:
  char* begin() const { return reinterpret_cast<char*>(data_->mutable_data()); }
  std::unique_ptr<arrow::Buffer> offsets_;
  std::unique_ptr<arrow::ResizableBuffer> data_;
  std::int64_t rows_ = 0;
  std::int64_t* next_offset_ = nullptr;
  char* at_ = nullptr;
};

template <typename ArrayType>
Result<std::shared_ptr<arrow::LargeBinaryArray>> EncodeStrings(const ArrayType& column, char tag) {
  const std::int64_t rows = column.length();
  const std::int64_t begin = rows == 0 ? 0 : column.value_offset(0), end = rows == 0 ? 0 : column.value_offset(rows);
  const auto* data = rows == 0 || column.value_data() == nullptr ? nullptr : column.value_data()->data();
  const std::int64_t zeros = data == nullptr ? 0 : std::count(data + begin, data + end, 0);
  HR_ASSIGN_OR_RAISE(KeyColumnWriter writer, KeyColumnWriter::Make(rows, end - begin + zeros + 3 * rows));
  const bool has_nulls = column.null_count() != 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    char* out = writer.at();
    if (has_nulls && column.IsNull(row))
      *out++ = kTagNone;
    else
      out = PutEscaped(tag, column.GetView(row), zeros != 0, out);
    writer.EndRow(out);
  }
  return writer.Finish();
}

template <typename ArrayType, typename Put>
Result<std::shared_ptr<arrow::LargeBinaryArray>> EncodeNumbers(const ArrayType& column, Put put) {
  const std::int64_t rows = column.length();
  HR_ASSIGN_OR_RAISE(KeyColumnWriter writer, KeyColumnWriter::Make(rows, rows * kMaxNumberBytes));
  const bool has_nulls = column.null_count() != 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    char* out = writer.at();
    if (has_nulls && column.IsNull(row))
      *out++ = kTagNone;
    else
      out = put(column.Value(row), out);
    writer.EndRow(out);
  }
  return writer.Finish();
}

void AppendEscaped(char tag, std::string_view bytes, std::string* out) {
  const auto zeros = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\0'));
  const std::size_t before = out->size();
  out->resize(before + bytes.size() + zeros + 3);
  PutEscaped(tag, bytes, zeros != 0, out->data() + before);
}

}  // namespace

void AppendKeyInt(std::int64_t value, std::string* out) {
  char buffer[kMaxNumberBytes];
  out->append(buffer, static_cast<std::size_t>(PutInt(value, buffer) - buffer));
}

void AppendKeyFloat(double value, std::string* out) {
  char buffer[kMaxNumberBytes];
  out->append(buffer, static_cast<std::size_t>(PutFloat(value, buffer) - buffer));
}

void AppendKeyBool(bool value, std::string* out) { AppendKeyFloat(value ? 1.0 : 0.0, out); }
void AppendKeyString(std::string_view utf8, std::string* out) { AppendEscaped(kTagString, utf8, out); }
void AppendKeyBytes(std::string_view bytes, std::string* out) { AppendEscaped(kTagBytes, bytes, out); }
void AppendKeyNone(std::string* out) { out->push_back(kTagNone); }

Result<std::shared_ptr<arrow::LargeBinaryArray>> EncodeKeyColumn(const arrow::Array& column) {
  switch (column.type_id()) {
    case arrow::Type::LARGE_STRING:
      return EncodeStrings(static_cast<const arrow::LargeStringArray&>(column), kTagString);
    case arrow::Type::STRING:
      return EncodeStrings(static_cast<const arrow::StringArray&>(column), kTagString);
    case arrow::Type::LARGE_BINARY:
      return EncodeStrings(static_cast<const arrow::LargeBinaryArray&>(column), kTagBytes);
    case arrow::Type::INT64:
      return EncodeNumbers(static_cast<const arrow::Int64Array&>(column), PutInt);
    case arrow::Type::DOUBLE:
      return EncodeNumbers(static_cast<const arrow::DoubleArray&>(column), PutFloat);
    case arrow::Type::BOOL:
      return EncodeNumbers(static_cast<const arrow::BooleanArray&>(column),
                           [](bool value, char* out) { return PutFloat(value ? 1.0 : 0.0, out); });
    default:
      return Error(ErrorCode::kBadKey, "a column of type " + column.type()->ToString() + " cannot be a key");
  }
}

Result<std::shared_ptr<arrow::UInt64Array>> HashKeyColumn(const arrow::LargeBinaryArray& keys) {
  const std::int64_t rows = keys.length();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> hashes, arrow::AllocateBuffer(rows * static_cast<std::int64_t>(sizeof(std::uint64_t))));
  auto* out = reinterpret_cast<std::uint64_t*>(hashes->mutable_data());
  if (rows > 0) {
    const std::int64_t* offsets = keys.raw_value_offsets();
    const std::uint8_t* data = keys.raw_data();
    for (std::int64_t row = 0; row < rows; ++row)
      out[row] = XXH3_64bits(data + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row]));
  }
  return std::make_shared<arrow::UInt64Array>(rows, std::move(hashes));
}

}  // namespace headrace::columnar
