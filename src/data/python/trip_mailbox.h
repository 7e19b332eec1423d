#pragma once
#include "base/status.h"
#include "data/operator/mailbox.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Brings the answers of trips from the supervisor's thread to the task's, in order.
template <typename Answer>
using BasicTripMailbox = op::Mailbox<Result<Answer>>;
using TripMailbox = BasicTripMailbox<StageResult>;

}  // namespace headrace::data::python
