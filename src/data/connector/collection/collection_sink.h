#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/sink.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Hands every batch to ConnectorContext::on_collected with the sink's uid. kBadOption at Open() where nobody collects (on a cluster).
Result<std::unique_ptr<SinkWriter>> MakeCollectionSinkWriter(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
