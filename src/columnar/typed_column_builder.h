#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <string_view>

#include "base/status.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {

/// Builds a typed column from value-encoded rows: the way back of AppendColumnValue(). None is null; ints fit into wider types and
/// floats; a dict or dataclass becomes a struct, its missing fields null; naive times go into zoneless timestamps only, aware ones
/// into those of UTC. Not for columns that have a native form: it looks at every row.
/// Errors: Invalid naming the value's kind and the type that it does not fit. Owner's thread only.
class TypedColumnBuilder {
 public:
  static Result<std::unique_ptr<TypedColumnBuilder>> Make(const std::shared_ptr<arrow::DataType>& type);
  ~TypedColumnBuilder();
  Status Append(std::string_view encoded);
  Status AppendNull();
  Result<std::shared_ptr<arrow::Array>> Finish();

 private:
  TypedColumnBuilder();
  std::shared_ptr<arrow::DataType> type_;
  std::unique_ptr<arrow::ArrayBuilder> builder_;
};

}  // namespace headrace::columnar
