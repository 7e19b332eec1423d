#pragma once
#include <arrow/type_fwd.h>

#include <memory>

namespace headrace::plan {

/// The aggregate that gathers for an accumulator written in Python.
inline constexpr char kFold[] = "fold";

/// What an aggregate gives for an accumulator written in Python over values of `type`: the accumulators that are to be merged, as bytes,
/// and the values that none of them has taken in yet.
std::shared_ptr<arrow::DataType> FoldType(const std::shared_ptr<arrow::DataType>& type);

}  // namespace headrace::plan
