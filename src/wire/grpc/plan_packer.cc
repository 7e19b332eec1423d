#include "wire/grpc/plan_packer.h"

#include "wire/plan_codec.h"
#include "wire/sha256.h"

namespace headrace::wire {

PlanPacker::Packed PlanPacker::Pack(const std::shared_ptr<const plan::ExecutionPlan>& plan) {
  const std::lock_guard lock(mutex_);
  if (auto bytes = bytes_.lock(); bytes != nullptr && plan_.lock() == plan) return {id_, std::move(bytes)};
  auto bytes = std::make_shared<const std::string>(EncodeExecutionPlan(*plan));
  plan_ = plan;
  bytes_ = bytes;
  id_ = BlobIdOf(*bytes);
  return {id_, std::move(bytes)};
}

}  // namespace headrace::wire
