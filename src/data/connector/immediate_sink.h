#pragma once
#include "data/connector/sink.h"

namespace headrace::data::connector {

/// A sink whose Write() is already durable, or which has nothing to make durable: always writable, always flushed.
class ImmediateSinkWriter : public SinkWriter {
 public:
  bool writable() const final { return true; }
  void RequestFlush() final {}
  bool flushed() const final { return true; }
  Status Poll() final { return Status::OK(); }
  void RequestStop() final {}
};

}  // namespace headrace::data::connector
