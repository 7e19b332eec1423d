#pragma once
#include <cstdint>
#include <utility>

#include "data/operator/operator.h"

namespace headrace::data::op {

/// Merges its inputs as they come. Shape: in any number of inputs; out the same rows, in no order between inputs.
class Union final : public Operator {
 public:
  Status Open(const OperatorContext& context) override { return Status::OK(); }
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override { return out->Emit(std::move(batch)); }
};

}  // namespace headrace::data::op
