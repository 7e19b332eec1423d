#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::data::state {

/// Whether values of a type, a list or struct, can be kept as bytes: with numbers, bools, texts, bytes, times and decimals inside, however
/// deep.
bool IsNested(const arrow::DataType& type);

/// Appends the value of a row of a list or struct column, or of a column inside one, as bytes of a form of its own, which lasts no longer
/// than the process. Equal values have equal bytes, whatever lies under nulls; floats count bit by bit.
void AppendNested(const arrow::ArrayData& column, std::int64_t row, std::string* out);

/// Makes a column of such bytes again. Owned by whoever builds the column; one thread.
class NestedBuilder {
 public:
  explicit NestedBuilder(std::shared_ptr<arrow::DataType> type);
  ~NestedBuilder();
  void AppendNull();
  /// What AppendNested() wrote of a column of the same type.
  void Append(std::string_view value);
  /// CapacityError when a list has more than 2^31 - 1 elements in one column, or a text as many bytes.
  Result<std::shared_ptr<arrow::ArrayData>> Finish();

 private:
  struct Column;
  std::unique_ptr<Column> root_;
};

}  // namespace headrace::data::state
