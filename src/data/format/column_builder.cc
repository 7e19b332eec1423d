#include "data/format/column_builder.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "columnar/decimal_text.h"
#include "data/format/base64.h"
#include "data/format/time_text.h"
#include "plan/function_types.h"

namespace headrace::data::format {
namespace {

using Kind = ColumnBuilder::Kind;
constexpr std::int64_t kMaxColumnBytes = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kLeastCapacity = 4096, kMostKept = 1 << 20;

std::int64_t TicksPerSecond(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1000;
}

std::string_view UnitName(std::int64_t ticks_per_second) {
  return ticks_per_second == 1 ? "s" : ticks_per_second == 1000 ? "ms" : ticks_per_second == 1'000'000 ? "us" : "ns";
}

Result<Kind> KindOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Kind::kBool;
    case arrow::Type::INT8:
      return Kind::kInt8;
    case arrow::Type::INT16:
      return Kind::kInt16;
    case arrow::Type::INT32:
      return Kind::kInt32;
    case arrow::Type::INT64:
      return Kind::kInt64;
    case arrow::Type::UINT8:
      return Kind::kUint8;
    case arrow::Type::UINT16:
      return Kind::kUint16;
    case arrow::Type::UINT32:
      return Kind::kUint32;
    case arrow::Type::UINT64:
      return Kind::kUint64;
    case arrow::Type::FLOAT:
      return Kind::kFloat32;
    case arrow::Type::DOUBLE:
      return Kind::kFloat64;
    case arrow::Type::DECIMAL128:
      return Kind::kDecimal;
    case arrow::Type::STRING:
      return Kind::kText;
    case arrow::Type::BINARY:
      return Kind::kBinary;
    case arrow::Type::LARGE_BINARY:
      return Kind::kValue;
    case arrow::Type::DATE32:
      return Kind::kDate;
    case arrow::Type::TIME64:
      return Kind::kTime;
    case arrow::Type::TIMESTAMP:
      return Kind::kTimestamp;
    case arrow::Type::DURATION:
      return Kind::kDuration;
    case arrow::Type::LIST:
      return Kind::kList;
    case arrow::Type::STRUCT:
      return Kind::kStruct;
    default:
      return Status::NotImplemented("rows cannot be decoded into a column of type ", type.ToString());
  }
}

std::uint8_t WidthOf(Kind kind) {
  switch (kind) {
    case Kind::kBool:
    case Kind::kInt8:
    case Kind::kUint8:
      return 1;
    case Kind::kInt16:
    case Kind::kUint16:
      return 2;
    case Kind::kInt32:
    case Kind::kUint32:
    case Kind::kFloat32:
    case Kind::kDate:
      return 4;
    case Kind::kDecimal:
      return 16;
    case Kind::kText:
    case Kind::kBinary:
    case Kind::kList:
      return 4;  // offsets
    case Kind::kStruct:
      return 0;
    default:
      return 8;
  }
}

bool HasOffsets(Kind kind) { return kind == Kind::kText || kind == Kind::kBinary || kind == Kind::kList || kind == Kind::kValue; }

template <typename T>
bool Fits(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

}  // namespace

// ---- GrowingBytes ----

void GrowingBytes::Grow(std::size_t more) {
  const std::int64_t wanted = std::max({size_ + static_cast<std::int64_t>(more), capacity_ * 2, next_capacity_, kLeastCapacity});
  // Arrow's default pool ends the process when memory is out, as everywhere else.
  if (buffer_ == nullptr)
    buffer_ = arrow::AllocateResizableBuffer(wanted).ValueOrDie();
  else
    HR_CHECK(buffer_->Resize(wanted, /*shrink_to_fit=*/false).ok(), "out of memory");
  data_ = buffer_->mutable_data();
  capacity_ = wanted;
}

std::shared_ptr<arrow::Buffer> GrowingBytes::Take() {
  if (buffer_ == nullptr) buffer_ = arrow::AllocateResizableBuffer(0).ValueOrDie();
  HR_CHECK(buffer_->Resize(size_, /*shrink_to_fit=*/false).ok(), "a buffer cannot shrink");
  next_capacity_ = std::min(kMostKept, size_ + size_ / 8);
  data_ = nullptr;
  size_ = capacity_ = 0;
  return std::exchange(buffer_, nullptr);
}

// ---- ColumnBuilder ----

Result<ColumnBuilder> ColumnBuilder::Make(const arrow::Field& field) {
  ColumnBuilder made;
  made.name_ = field.name();
  made.type_ = field.type();
  made.nullable_ = field.nullable();
  const arrow::DataType& type = *field.type();
  HR_ASSIGN_OR_RAISE(made.kind_, KindOf(type));
  made.width_ = WidthOf(made.kind_);
  made.type_name_ = plan::TypeName(type);
  switch (made.kind_) {
    case Kind::kDecimal:
      made.precision_ = static_cast<const arrow::DecimalType&>(type).precision();
      made.scale_ = static_cast<const arrow::DecimalType&>(type).scale();
      break;
    case Kind::kTime:
      made.ticks_per_second_ = TicksPerSecond(static_cast<const arrow::Time64Type&>(type).unit());
      break;
    case Kind::kDuration:
      made.ticks_per_second_ = TicksPerSecond(static_cast<const arrow::DurationType&>(type).unit());
      break;
    case Kind::kTimestamp:
      made.ticks_per_second_ = TicksPerSecond(static_cast<const arrow::TimestampType&>(type).unit());
      made.utc_ = !static_cast<const arrow::TimestampType&>(type).timezone().empty();
      made.type_name_ = std::string(made.utc_ ? "timestamp[" : "naive timestamp[").append(UnitName(made.ticks_per_second_)) + "]";
      break;
    case Kind::kList:
    case Kind::kStruct:
      for (const auto& child : type.fields()) {
        HR_ASSIGN_OR_RAISE(ColumnBuilder inside, Make(*child));
        made.children_.push_back(std::move(inside));
      }
      break;
    default:
      break;
  }
  if (HasOffsets(made.kind_)) made.kind_ == Kind::kValue ? made.values_.Push(std::int64_t{0}) : made.values_.Push(std::int32_t{0});
  return made;
}

void ColumnBuilder::AppendNull() {
  if (null_count_ == 0) valid_.assign(static_cast<std::size_t>(rows_), 1);
  ++null_count_;
  valid_.push_back(0);
  ++rows_;
  if (kind_ == Kind::kStruct) {
    for (ColumnBuilder& child : children_) child.AppendNull();
  } else if (kind_ == Kind::kList) {
    values_.Push(static_cast<std::int32_t>(children_[0].rows()));
  } else if (kind_ == Kind::kValue) {
    values_.Push(bytes_.size());
  } else if (HasOffsets(kind_)) {
    values_.Push(static_cast<std::int32_t>(bytes_.size()));
  } else {
    constexpr std::uint8_t kZero[16] = {};
    values_.Append(kZero, width_);
  }
}

bool ColumnBuilder::AppendInteger(std::int64_t value) {
  switch (kind_) {
    case Kind::kInt64:
      PushFixed(value);
      return true;
    case Kind::kInt8:
      return Fits<std::int8_t>(value) && (PushFixed(static_cast<std::int8_t>(value)), true);
    case Kind::kInt16:
      return Fits<std::int16_t>(value) && (PushFixed(static_cast<std::int16_t>(value)), true);
    case Kind::kInt32:
      return Fits<std::int32_t>(value) && (PushFixed(static_cast<std::int32_t>(value)), true);
    default:
      return value >= 0 && AppendUnsigned(static_cast<std::uint64_t>(value));
  }
}

bool ColumnBuilder::AppendUnsigned(std::uint64_t value) {
  switch (kind_) {
    case Kind::kUint8:
      return value <= 0xFF && (PushFixed(static_cast<std::uint8_t>(value)), true);
    case Kind::kUint16:
      return value <= 0xFFFF && (PushFixed(static_cast<std::uint16_t>(value)), true);
    case Kind::kUint32:
      return value <= 0xFFFF'FFFF && (PushFixed(static_cast<std::uint32_t>(value)), true);
    case Kind::kUint64:
      PushFixed(value);
      return true;
    default:
      return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) &&
             AppendInteger(static_cast<std::int64_t>(value));
  }
}

void ColumnBuilder::AppendFloat(double value) {
  if (kind_ == Kind::kFloat32)
    PushFixed(static_cast<float>(value));
  else
    PushFixed(value);
}

bool ColumnBuilder::AppendBytes(std::string_view bytes) {
  if (bytes_.size() + static_cast<std::int64_t>(bytes.size()) > kMaxColumnBytes) return false;
  bytes_.Append(bytes.data(), bytes.size());
  if (kind_ == Kind::kValue)
    values_.Push(bytes_.size());
  else
    values_.Push(static_cast<std::int32_t>(bytes_.size()));
  Valid();
  return true;
}

bool ColumnBuilder::AppendDecimal(std::string_view text) {
  arrow::Decimal128 value;
  if (text.size() > 100 || !columnar::DecimalFromText(text, precision_, scale_, columnar::MoreDigits::kRefused, &value)) return false;
  PushFixed(value.ToBytes());
  return true;
}

bool ColumnBuilder::AppendDecimalBytes(std::string_view big_endian, int scale) {
  const auto value = arrow::Decimal128::FromBigEndian(reinterpret_cast<const std::uint8_t*>(big_endian.data()),
                                                      static_cast<std::int32_t>(big_endian.size()));
  if (!value.ok()) return false;
  arrow::Decimal128 scaled;
  if (!columnar::RescaleDecimal(*value, scale, scale_, columnar::MoreDigits::kRefused, &scaled)) return false;
  if (!scaled.FitsInPrecision(precision_)) return false;
  PushFixed(scaled.ToBytes());
  return true;
}

bool ColumnBuilder::AppendTicks(std::int64_t ticks) {
  if (kind_ == Kind::kDate) return Fits<std::int32_t>(ticks) && (PushFixed(static_cast<std::int32_t>(ticks)), true);
  if (kind_ == Kind::kTime && (ticks < 0 || ticks >= 86'400 * ticks_per_second_)) return false;
  PushFixed(ticks);
  return true;
}

bool ColumnBuilder::AppendTicks(std::int64_t ticks, std::int64_t of_ticks_per_second) {
  if (of_ticks_per_second == ticks_per_second_) return AppendTicks(ticks);
  if (of_ticks_per_second < ticks_per_second_) {
    std::int64_t finer = 0;
    if (__builtin_mul_overflow(ticks, ticks_per_second_ / of_ticks_per_second, &finer)) return false;
    return AppendTicks(finer);
  }
  const std::int64_t by = of_ticks_per_second / ticks_per_second_;
  return AppendTicks(ticks / by - (ticks % by < 0 ? 1 : 0));
}

bool ColumnBuilder::AppendText(std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  switch (kind_) {
    case Kind::kText:
      return AppendBytes(text);
    case Kind::kBool:
      if (text != "true" && text != "false") return false;
      AppendBool(text == "true");
      return true;
    case Kind::kFloat32:
    case Kind::kFloat64: {
      if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
        const double big = std::numeric_limits<double>::infinity();
        AppendFloat(text == "NaN" ? std::numeric_limits<double>::quiet_NaN() : text[0] == '-' ? -big : big);
        return true;
      }
      double value = 0;
      const auto [stop, error] = std::from_chars(begin, end, value);
      if (error != std::errc() || stop != end || !std::isfinite(value)) return false;
      AppendFloat(value);
      return true;
    }
    case Kind::kDecimal:
      return AppendDecimal(text);
    case Kind::kBinary: {
      std::string bytes;
      return DecodeBase64(text, &bytes) && AppendBytes(bytes);
    }
    case Kind::kDate: {
      const auto days = ParseDate(text);
      return days && AppendTicks(*days);
    }
    case Kind::kTime: {
      const auto nanos = ParseClock(text);
      return nanos && AppendTicks(*nanos, 1'000'000'000);
    }
    case Kind::kDuration: {
      const auto nanos = ParseDuration(text);
      return nanos && AppendTicks(*nanos, 1'000'000'000);
    }
    case Kind::kTimestamp: {
      const auto time = ParseTimestamp(text);
      // A calendar's time is no instant: a zone would be lost without a word.
      if (!time || (time->has_zone && !utc_)) return false;
      std::int64_t ticks = 0;
      if (__builtin_mul_overflow(time->seconds, ticks_per_second_, &ticks)) return false;
      return !__builtin_add_overflow(ticks, time->nanos / (1'000'000'000 / ticks_per_second_), &ticks) && AppendTicks(ticks);
    }
    case Kind::kList:
    case Kind::kStruct:
    case Kind::kValue:
      return false;
    default:
      break;
  }
  if (kind_ == Kind::kUint64) {
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value);
    return error == std::errc() && stop == end && AppendUnsigned(value);
  }
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stop == end && AppendInteger(value);
}

void ColumnBuilder::CloseList() {
  values_.Push(static_cast<std::int32_t>(children_[0].rows()));
  Valid();
}

void ColumnBuilder::CloseStruct() { Valid(); }

void ColumnBuilder::Truncate(std::int64_t rows) {
  // A list or struct that was not closed has left values in the columns inside it.
  if (kind_ == Kind::kStruct)
    for (ColumnBuilder& child : children_) child.Truncate(rows);
  if (rows >= rows_ && kind_ != Kind::kList) return;
  if (HasOffsets(kind_)) {
    values_.Truncate((rows + 1) * width_);
    std::int64_t end = 0;
    if (width_ == 8)
      std::memcpy(&end, values_.data() + rows * 8, 8);
    else
      end = reinterpret_cast<const std::int32_t*>(values_.data())[rows];
    if (kind_ == Kind::kList)
      children_[0].Truncate(end);
    else
      bytes_.Truncate(end);
  } else {
    values_.Truncate(rows * width_);
  }
  if (null_count_ > 0) {
    valid_.resize(static_cast<std::size_t>(rows));
    null_count_ = std::count(valid_.begin(), valid_.end(), std::uint8_t{0});
    if (null_count_ == 0) valid_.clear();
  }
  rows_ = rows;
}

std::int64_t ColumnBuilder::variable_bytes() const {
  std::int64_t bytes = bytes_.size();
  for (const ColumnBuilder& child : children_) bytes += child.variable_bytes() + (kind_ == Kind::kList ? child.rows() * child.width_ : 0);
  return bytes;
}

std::shared_ptr<arrow::Buffer> ColumnBuilder::TakeValidity() {
  if (null_count_ == 0) return nullptr;
  auto bits = arrow::AllocateBuffer((rows_ + 7) / 8).ValueOrDie();
  std::memset(bits->mutable_data(), 0, static_cast<std::size_t>(bits->size()));
  for (std::int64_t i = 0; i < rows_; ++i)
    bits->mutable_data()[i / 8] |= static_cast<std::uint8_t>(valid_[static_cast<std::size_t>(i)] << (i % 8));
  return bits;
}

Result<std::shared_ptr<arrow::ArrayData>> ColumnBuilder::Finish() {
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {TakeValidity()};
  std::vector<std::shared_ptr<arrow::ArrayData>> inside;
  if (kind_ == Kind::kBool) {
    auto bits = arrow::AllocateBuffer((rows_ + 7) / 8).ValueOrDie();
    std::memset(bits->mutable_data(), 0, static_cast<std::size_t>(bits->size()));
    for (std::int64_t i = 0; i < rows_; ++i) bits->mutable_data()[i / 8] |= static_cast<std::uint8_t>(values_.data()[i] << (i % 8));
    buffers.push_back(std::move(bits));
    values_.Truncate(0);
  } else if (kind_ != Kind::kStruct) {
    buffers.push_back(values_.Take());
  }
  if (kind_ == Kind::kText || kind_ == Kind::kBinary || kind_ == Kind::kValue) buffers.push_back(bytes_.Take());
  for (ColumnBuilder& child : children_) {
    HR_ASSIGN_OR_RAISE(auto data, child.Finish());
    inside.push_back(std::move(data));
  }
  auto data = arrow::ArrayData::Make(type_, rows_, std::move(buffers), std::move(inside), null_count_);
  rows_ = null_count_ = 0;
  valid_.clear();
  if (HasOffsets(kind_)) kind_ == Kind::kValue ? values_.Push(std::int64_t{0}) : values_.Push(std::int32_t{0});
  return data;
}

}  // namespace headrace::data::format
