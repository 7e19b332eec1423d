#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/metrics.h"
#include "data/operator/operator.h"

namespace headrace::data::op {

/// Counts rows that came behind the watermark and that nothing took: in the job's metrics and among the numbers of the task.
/// Owned by its operator, used on the task's thread only.
class LateRows {
 public:
  void Open(const OperatorContext& context) {
    if (context.metrics != nullptr)
      counter_ =
          context.metrics->GetCounter("headrace_late_records_total", "Records behind the watermark that no window took", context.labels);
    of_task_ = context.late_records;
  }
  void Add(std::uint64_t rows) {
    if (rows == 0) return;
    if (counter_ != nullptr) counter_->Add(rows);
    if (of_task_ != nullptr) of_task_->fetch_add(rows, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<Counter> counter_;
  std::atomic<std::uint64_t>* of_task_ = nullptr;
};

}  // namespace headrace::data::op
