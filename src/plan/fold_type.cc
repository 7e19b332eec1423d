#include "plan/fold_type.h"

#include <arrow/type.h>

namespace headrace::plan {

std::shared_ptr<arrow::DataType> FoldType(const std::shared_ptr<arrow::DataType>& type) {
  return arrow::struct_({arrow::field("accumulators", arrow::list(arrow::binary()), /*nullable=*/false),
                         arrow::field("values", arrow::list(type), /*nullable=*/false)});
}

}  // namespace headrace::plan
