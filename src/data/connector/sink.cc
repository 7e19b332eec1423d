#include "data/connector/sink.h"

#include <fmt/format.h>

#include "data/connector/collection/collection_sink.h"
#include "data/connector/file/file_sink.h"
#include "data/connector/kafka/kafka_sink.h"
#include "data/connector/print/print_sink.h"

namespace headrace::data::connector {

Result<std::unique_ptr<SinkWriter>> MakeSinkWriter(const plan::ConnectorSpec& spec) {
  if (spec.kind == "kafka") return MakeKafkaSinkWriter(spec);
  if (spec.kind == "file") return MakeFileSinkWriter(spec);
  if (spec.kind == "collection") return MakeCollectionSinkWriter(spec);
  if (spec.kind == "print") return MakePrintSinkWriter(spec);
  if (spec.kind == "blackhole") return MakeBlackholeSinkWriter(spec);
  return Error(ErrorCode::kUnknownConnector, fmt::format("there is no sink connector \"{:.100}\"", spec.kind));
}

}  // namespace headrace::data::connector
