#pragma once
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "postgres/statement.h"

namespace headrace::data::connector {

struct PostgresForm;

/// How a column's values travel to and from PostgreSQL: as which of its types, in their binary form. Times beyond its microseconds and
/// texts with a NUL, which it cannot hold, become nulls on the way there.
class PostgresColumn {
 public:
  /// NotImplemented for lists, structs, durations and Python values.
  static Result<PostgresColumn> Make(const std::shared_ptr<arrow::DataType>& type);

  /// All values of a column as elements of an array parameter.
  std::vector<std::optional<std::string>> Encode(const arrow::ArrayData& column) const;
  std::uint32_t array_oid() const;
  std::uint32_t element_oid() const;
  /// Put behind an element, as it came: `::numeric`, or nothing.
  std::string_view element_cast() const { return element_cast_; }

  /// Put behind a column of the table, so that it comes in the form that Decode() reads: `::int8`.
  std::string_view column_cast() const { return column_cast_; }
  /// Column `column` of an answer. kBadRecord for what the type does not hold.
  Result<std::shared_ptr<arrow::Array>> Decode(const postgres::Rows& rows, std::size_t column) const;

 private:
  std::shared_ptr<arrow::DataType> type_;
  const PostgresForm* form_ = nullptr;
  std::string_view element_cast_;
  std::string column_cast_;
};

}  // namespace headrace::data::connector
