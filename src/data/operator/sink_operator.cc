#include "data/operator/sink_operator.h"

#include <utility>

namespace headrace::data::op {

SinkOperator::SinkOperator(std::unique_ptr<connector::SinkWriter> writer, connector::ConnectorContext context)
    : connector_context_(std::move(context)), writer_(std::move(writer)) {}

Status SinkOperator::Open(const OperatorContext& context) {
  connector_context_.waker = context.waker;
  connector_context_.metrics = context.metrics;
  connector_context_.labels = context.labels;
  return writer_->Open(connector_context_);
}

bool SinkOperator::accepting() const { return !flushing_ && writer_->writable(); }

Status SinkOperator::Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) { return writer_->Write(batch); }

Status SinkOperator::Poll(Collector* out) {
  HR_RETURN_NOT_OK(writer_->Poll());
  if (flushing_ && writer_->flushed()) flushing_ = false;
  return Status::OK();
}

bool SinkOperator::busy() const { return flushing_; }

Status SinkOperator::Finish(Collector* out) {
  writer_->RequestFlush();
  flushing_ = true;
  return Poll(out);
}

Status SinkOperator::OnBarrier(const columnar::Barrier& barrier) {
  writer_->RequestFlush();
  flushing_ = true;
  return Poll(nullptr);
}

void SinkOperator::RequestStop() { writer_->RequestStop(); }

}  // namespace headrace::data::op
