#pragma once
#include <memory>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/connector/source.h"

namespace headrace::data::connector {

/// Writes the rows of one sink subtask. Owned by its task; all calls on the task's thread and never blocking.
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;  ///< joins side threads; what was not acknowledged may be lost or not (at least once)
  virtual Status Open(const ConnectorContext& context) = 0;
  /// False: hold the next batch back until the waker is woken.
  virtual bool writable() const = 0;
  virtual Status Write(const columnar::DataBatch& batch) = 0;
  /// Asks that everything written so far becomes durable; before a barrier and at the end of input.
  virtual void RequestFlush() = 0;
  /// True when everything written before the last RequestFlush() is acknowledged by the outside system.
  virtual bool flushed() const = 0;
  /// Delivery errors surface here; called on every step of the task.
  virtual Status Poll() = 0;
  virtual void RequestStop() = 0;
};

Result<std::unique_ptr<SinkWriter>> MakeSinkWriter(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
