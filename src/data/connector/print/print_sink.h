#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/sink.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Prints "prefix> repr" for every row on the standard output; a batch is written as a whole, so lines of subtasks do not
/// mix. Without a prefix the subtask's number from 1 stands for it, and at parallelism 1 nothing does.
Result<std::unique_ptr<SinkWriter>> MakePrintSinkWriter(const plan::ConnectorSpec& spec);
/// Takes rows and forgets them.
Result<std::unique_ptr<SinkWriter>> MakeBlackholeSinkWriter(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
