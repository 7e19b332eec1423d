#include "data/python/python_stage.h"

#include <algorithm>
#include <utility>

namespace headrace::data::python {

namespace {

constexpr std::int64_t kMaxRows = 8192;

}  // namespace

Status EmitInSlices(const columnar::DataBatch& batch, op::Collector* out) {
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

bool PythonStage::accepting() const { return stage_ != nullptr && stage_->accepting(); }

Status PythonStage::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  HR_RETURN_NOT_OK(stage_->Run(std::move(batch), [mailbox = mailbox_](Result<StageResult> result) { mailbox->Put(std::move(result)); }));
  ++outstanding_;
  return Status::OK();
}

Status PythonStage::Poll(op::Collector* out) {
  while (auto answer = mailbox_->Take()) {
    HR_RETURN_NOT_OK(answer->status());
    --outstanding_;
    if (user_nanoseconds_) user_nanoseconds_->Add((*answer)->user_nanoseconds);
    HR_RETURN_NOT_OK(EmitInSlices((*answer)->batch, out));
  }
  return stage_->status();
}

}  // namespace headrace::data::python
