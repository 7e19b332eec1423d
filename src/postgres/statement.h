#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::postgres {

/// One parameterised statement, $1 to $n. Values travel in PostgreSQL's binary form, so any byte is safe in them.
class Statement {
 public:
  enum class Effect { kReads, kWrites };
  Statement(Effect effect, std::string sql) : effect_(effect), sql_(std::move(sql)) {}

  Statement& Int64(std::int64_t value);
  Statement& Text(std::string value);
  Statement& OptionalText(std::optional<std::string> value);
  Statement& Bytes(std::string value);
  Statement& TextArray(const std::vector<std::string_view>& values);
  Statement& BytesArray(const std::vector<std::string_view>& values);
  /// Elements in PostgreSQL's binary form, by the oids of the array's type and theirs.
  Statement& BinaryArray(std::uint32_t array_type, std::uint32_t element_type, const std::vector<std::optional<std::string>>& values);

  struct Parameter {
    std::uint32_t type;  ///< PostgreSQL's type oid
    std::optional<std::string> value;
  };
  Effect effect() const { return effect_; }
  const std::string& sql() const { return sql_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  Statement& Array(std::uint32_t array_type, std::uint32_t element_type, const std::vector<std::string_view>& values);
  Effect effect_;
  std::string sql_;
  std::vector<Parameter> parameters_;
};

/// The rows of one answer, copied out of the connection. Columns are to be int8, text or bytea: cast others in the statement,
/// or read their binary form.
class Rows {
 public:
  Rows() = default;
  Rows(std::size_t columns, std::vector<std::optional<std::string>> cells) : columns_(columns), cells_(std::move(cells)) {}
  std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  bool empty() const { return size() == 0; }
  bool IsNull(std::size_t row, std::size_t column) const { return !Cell(row, column).has_value(); }
  /// Text or bytea; empty when null.
  std::string Bytes(std::size_t row, std::size_t column) const { return Cell(row, column).value_or(std::string()); }
  const std::optional<std::string>& Cell(std::size_t row, std::size_t column) const;
  /// An int8; 0 when null.
  std::int64_t Int64(std::size_t row, std::size_t column) const;

 private:
  std::size_t columns_ = 0;
  std::vector<std::optional<std::string>> cells_;  // row by row
};

}  // namespace headrace::postgres
