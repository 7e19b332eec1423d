#include "data/python/trip_line.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "data/python/worker_error.h"

namespace headrace::data::python {

Status TripLine::Open(WorkerPool* pool, const StageSpec& spec, std::uint32_t slot, const op::OperatorContext& context) {
  mailbox_ = std::make_shared<BasicTripMailbox<TripAnswer>>(context.waker);
  if (context.metrics != nullptr) {
    user_nanoseconds_ =
        context.metrics->GetCounter("headrace_python_function_nanoseconds_total", "Time spent inside Python functions", context.labels);
  }
  HR_ASSIGN_OR_RAISE(stage_, pool->LoadStage(spec, slot, context.waker));
  return Status::OK();
}

Status TripLine::Send(const TripBody& body) {
  HR_RETURN_NOT_OK(stage_->RunTrip(body, [mailbox = mailbox_](Result<TripAnswer> answer) { mailbox->Put(std::move(answer)); }));
  ++outstanding_;
  return Status::OK();
}

Result<std::optional<TripAnswer>> TripLine::Take() {
  auto answer = mailbox_->Take();
  if (!answer) return std::optional<TripAnswer>();
  HR_RETURN_NOT_OK(answer->status());
  HR_CHECK(outstanding_ > 0, "an answer without a trip");
  --outstanding_;
  if (user_nanoseconds_) user_nanoseconds_->Add((**answer).user_nanoseconds);
  return std::optional<TripAnswer>(std::move(**answer));
}

void BatchQueue::Push(columnar::DataBatch batch) {
  if (batch.num_rows() == 0) return;
  rows_ += batch.num_rows();
  bytes_ += batch.size_bytes();
  batches_.push_back(std::move(batch));
}

void BatchQueue::PutBack(columnar::DataBatch batch) {
  if (batch.num_rows() == 0) return;
  rows_ += batch.num_rows();
  bytes_ += batch.size_bytes();
  batches_.push_front(std::move(batch));
}

std::vector<columnar::DataBatch> BatchQueue::TakeParts(std::int64_t most) {
  std::vector<columnar::DataBatch> parts;
  std::int64_t rows = 0, bytes = 0;
  while (!batches_.empty() &&
         (rows == 0 || (rows + batches_.front().num_rows() <= most && bytes + batches_.front().size_bytes() <= kMostBytes)) &&
         (parts.empty() || parts.front().records()->schema()->Equals(*batches_.front().records()->schema(), /*check_metadata=*/true))) {
    columnar::DataBatch& front = batches_.front();
    const std::int64_t front_bytes = front.size_bytes();
    std::int64_t count = std::min(front.num_rows(), most);
    if (front_bytes > kMostBytes) count = std::min(count, std::max<std::int64_t>(1, kMostBytes / (front_bytes / front.num_rows() + 1)));
    bytes += front_bytes;
    rows += count;
    parts.push_back(front.Slice(0, count));
    bytes_ -= front_bytes;
    if (count < front.num_rows()) {
      front = front.Slice(count, front.num_rows() - count);
      bytes_ += front.size_bytes();
    } else {
      batches_.pop_front();
    }
  }
  rows_ -= rows;
  return parts;
}

Result<columnar::DataBatch> BatchQueue::Take(std::int64_t most) {
  std::vector<columnar::DataBatch> parts = TakeParts(most);
  if (parts.size() == 1) return std::move(parts.front());
  arrow::RecordBatchVector records;
  for (const columnar::DataBatch& part : parts) records.push_back(part.records());
  HR_ASSIGN_OR_RAISE(auto joined, arrow::ConcatenateRecordBatches(records));
  return columnar::DataBatch(std::move(joined));
}

Status BadAnswer(const StageSpec& spec, const Status& why) {
  const StageSpec::Function& last = spec.functions.back();
  return FunctionFailure(ErrorCode::kPythonCrashed, "the Python worker broke its protocol: " + why.message(),
                         {{}, {}, 0, last.uid.str(), last.name});
}

}  // namespace headrace::data::python
