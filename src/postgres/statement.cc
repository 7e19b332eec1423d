#include "postgres/statement.h"

#include <utility>

#include "base/status.h"

namespace headrace::postgres {
namespace {

// Oids of pg_type, fixed since PostgreSQL's beginnings.
constexpr std::uint32_t kBytea = 17, kInt8 = 20, kText = 25, kByteaArray = 1001, kTextArray = 1009;

template <typename Integer>
void AppendBigEndian(std::string* out, Integer value) {
  for (int shift = static_cast<int>(sizeof(value)) * 8 - 8; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

}  // namespace

Statement& Statement::Int64(std::int64_t value) {
  std::string bytes;
  AppendBigEndian(&bytes, static_cast<std::uint64_t>(value));
  parameters_.push_back({kInt8, std::move(bytes)});
  return *this;
}
Statement& Statement::Text(std::string value) {
  parameters_.push_back({kText, std::move(value)});
  return *this;
}
Statement& Statement::OptionalText(std::optional<std::string> value) {
  parameters_.push_back({kText, std::move(value)});
  return *this;
}
Statement& Statement::Bytes(std::string value) {
  parameters_.push_back({kBytea, std::move(value)});
  return *this;
}
Statement& Statement::TextArray(const std::vector<std::string_view>& values) { return Array(kTextArray, kText, values); }
Statement& Statement::BytesArray(const std::vector<std::string_view>& values) { return Array(kByteaArray, kBytea, values); }

Statement& Statement::Array(std::uint32_t array_type, std::uint32_t element_type, const std::vector<std::string_view>& values) {
  std::string bytes;
  AppendBigEndian(&bytes, std::uint32_t{1});  // dimensions
  AppendBigEndian(&bytes, std::uint32_t{0});  // no nulls
  AppendBigEndian(&bytes, element_type);
  AppendBigEndian(&bytes, static_cast<std::uint32_t>(values.size()));
  AppendBigEndian(&bytes, std::uint32_t{1});  // lower bound
  for (const std::string_view value : values) {
    AppendBigEndian(&bytes, static_cast<std::uint32_t>(value.size()));
    bytes.append(value);
  }
  parameters_.push_back({array_type, std::move(bytes)});
  return *this;
}

Statement& Statement::BinaryArray(std::uint32_t array_type, std::uint32_t element_type,
                                  const std::vector<std::optional<std::string>>& values) {
  std::string bytes;
  AppendBigEndian(&bytes, std::uint32_t{1});  // dimensions
  AppendBigEndian(&bytes, std::uint32_t{1});  // there may be nulls
  AppendBigEndian(&bytes, element_type);
  AppendBigEndian(&bytes, static_cast<std::uint32_t>(values.size()));
  AppendBigEndian(&bytes, std::uint32_t{1});  // lower bound
  for (const auto& value : values) {
    AppendBigEndian(&bytes, value ? static_cast<std::uint32_t>(value->size()) : ~std::uint32_t{0});
    if (value) bytes.append(*value);
  }
  parameters_.push_back({array_type, std::move(bytes)});
  return *this;
}

const std::optional<std::string>& Rows::Cell(std::size_t row, std::size_t column) const {
  HR_CHECK(column < columns_ && row < size(), "a cell outside of the answer");
  return cells_[row * columns_ + column];
}

std::int64_t Rows::Int64(std::size_t row, std::size_t column) const {
  const auto& cell = Cell(row, column);
  if (!cell) return 0;
  HR_CHECK(cell->size() == 8, "a column that is not an int8");
  std::uint64_t value = 0;
  for (const char byte : *cell) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

}  // namespace headrace::postgres
