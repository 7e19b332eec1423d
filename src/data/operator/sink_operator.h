#pragma once
#include <functional>
#include <memory>
#include <string>

#include "data/connector/sink.h"
#include "data/connector/source.h"
#include "data/operator/operator.h"

namespace headrace::data::op {

/// The end of a chain: hands batches to a sink's writer and holds a barrier or the end back until everything written is acknowledged.
/// Shape: in any batch; out nothing. Errors: those of the writer. Thread: owning task's.
class SinkOperator final : public Operator {
 public:
  /// `writer` is opened with `context` at Open(); both belong to the operator from here on.
  SinkOperator(std::unique_ptr<connector::SinkWriter> writer, connector::ConnectorContext context);
  Status Open(const OperatorContext& context) override;
  bool accepting() const override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override;
  Status Poll(Collector* out) override;
  bool busy() const override;
  Status Finish(Collector* out) override;
  Status OnBarrier(const columnar::Barrier& barrier) override;
  void RequestStop() override;

 private:
  connector::ConnectorContext connector_context_;
  std::unique_ptr<connector::SinkWriter> writer_;
  bool flushing_ = false;
};

}  // namespace headrace::data::op
