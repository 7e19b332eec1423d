#include "columnar/value_encoding.h"

#include <cstring>

namespace headrace::columnar {
namespace {

void AppendVarint(std::uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void AppendTag(ValueTag tag, std::string* out) { out->push_back(static_cast<char>(tag)); }

void AppendCounted(ValueTag tag, std::string_view bytes, std::string* out) {
  AppendTag(tag, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

void AppendZigzag(std::int64_t value, std::string* out) {
  AppendVarint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63), out);
}

template <typename T>
void AppendFixed(T value, std::string* out) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out->append(bytes, sizeof(value));
}

}  // namespace

void ValueWriter::Decimal(std::string_view text) { AppendCounted(ValueTag::kDecimal, text, out_); }

void ValueWriter::AwareDatetime(std::int64_t micros_utc, std::int32_t utc_offset_seconds) {
  AppendTag(ValueTag::kAwareDatetime, out_);
  AppendFixed(micros_utc, out_);
  AppendFixed(utc_offset_seconds, out_);
}

void ValueWriter::NaiveDatetime(std::int64_t micros) {
  AppendTag(ValueTag::kNaiveDatetime, out_);
  AppendFixed(micros, out_);
}

void ValueWriter::Date(std::int64_t days) {
  AppendTag(ValueTag::kDate, out_);
  AppendZigzag(days, out_);
}

void ValueWriter::Time(std::int64_t micros) {
  AppendTag(ValueTag::kTime, out_);
  AppendVarint(static_cast<std::uint64_t>(micros), out_);
}

void ValueWriter::Timedelta(std::int64_t micros) {
  AppendTag(ValueTag::kTimedelta, out_);
  AppendZigzag(micros, out_);
}

void ValueWriter::None() { AppendTag(ValueTag::kNone, out_); }
void ValueWriter::Bool(bool value) { AppendTag(value ? ValueTag::kTrue : ValueTag::kFalse, out_); }

void ValueWriter::Int(std::int64_t value) {
  AppendTag(ValueTag::kInt, out_);
  AppendZigzag(value, out_);
}

void ValueWriter::Float(double value) {
  AppendTag(ValueTag::kFloat, out_);
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out_->append(bytes, sizeof(value));
}

void ValueWriter::String(std::string_view utf8) { AppendCounted(ValueTag::kString, utf8, out_); }
void ValueWriter::Bytes(std::string_view bytes) { AppendCounted(ValueTag::kBytes, bytes, out_); }

void ValueWriter::TupleHeader(std::uint64_t items) {
  AppendTag(ValueTag::kTuple, out_);
  AppendVarint(items, out_);
}

void ValueWriter::ListHeader(std::uint64_t items) {
  AppendTag(ValueTag::kList, out_);
  AppendVarint(items, out_);
}

void ValueWriter::DictHeader(std::uint64_t entries) {
  AppendTag(ValueTag::kDict, out_);
  AppendVarint(entries, out_);
}

const Value* Value::Find(std::string_view key) const {
  if (tag != ValueTag::kDict) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].tag == ValueTag::kString && items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

}  // namespace headrace::columnar
