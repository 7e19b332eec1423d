#include "data/python/python_stage.h"

#include <algorithm>
#include <utility>

namespace headrace::data::python {

Status EmitInSlices(const columnar::DataBatch& batch, op::Collector* out) {
  constexpr std::int64_t kMaxRows = PythonStage::kTripRows;
  const std::int64_t rows = batch.num_rows();
  if (rows <= kMaxRows) return rows == 0 ? Status::OK() : out->Emit(batch);
  for (std::int64_t at = 0; at < rows; at += kMaxRows) HR_RETURN_NOT_OK(out->Emit(batch.Slice(at, std::min(kMaxRows, rows - at))));
  return Status::OK();
}

Status PythonStage::Open(const op::OperatorContext& context) {
  mailbox_ = std::make_shared<TripMailbox>(context.waker);
  if (context.metrics != nullptr) {
    user_nanoseconds_ =
        context.metrics->GetCounter("headrace_python_function_nanoseconds_total", "Time spent inside Python functions", context.labels);
  }
  HR_ASSIGN_OR_RAISE(stage_, pool_->LoadStage(spec_, slot_, context.waker));
  return Status::OK();
}

bool PythonStage::accepting() const { return stage_ != nullptr && !waiting_ && stage_->accepting(); }

Status PythonStage::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  HR_CHECK(!waiting_, "a batch was given to a stage that does not accept");
  if (batch.num_rows() > 0) waiting_ = std::move(batch);
  return StartTrips();
}

Status PythonStage::StartTrips() {
  while (waiting_ && stage_->accepting()) {
    const std::int64_t left = waiting_.num_rows();
    const std::int64_t rows = std::min(left, trip_size_.rows());
    HR_RETURN_NOT_OK(
        stage_->Run(waiting_.Slice(0, rows), [mailbox = mailbox_](Result<StageResult> result) { mailbox->Put(std::move(result)); }));
    trips_.push_back(rows);
    waiting_ = rows == left ? columnar::DataBatch() : waiting_.Slice(rows, left - rows);
  }
  return Status::OK();
}

Status PythonStage::Poll(op::Collector* out) {
  while (auto answer = mailbox_->Take()) {
    HR_RETURN_NOT_OK(answer->status());
    HR_CHECK(!trips_.empty(), "an answer without a trip");
    trip_size_.Took(trips_.front(), (*answer)->user_nanoseconds);
    trips_.pop_front();
    if (user_nanoseconds_) user_nanoseconds_->Add((*answer)->user_nanoseconds);
    HR_RETURN_NOT_OK(EmitInSlices((*answer)->batch, out));
  }
  HR_RETURN_NOT_OK(stage_->status());
  return StartTrips();
}

}  // namespace headrace::data::python
