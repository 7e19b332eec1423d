#include "data/connector/source.h"

#include <fmt/format.h>

#include "data/connector/collection/collection_source.h"
#include "data/connector/file/file_source.h"
#include "data/connector/generator/generator_source.h"
#include "data/connector/kafka/kafka_source.h"
#include "data/connector/nexmark/nexmark_source.h"

namespace headrace::data::connector {

Result<std::unique_ptr<SourceReader>> MakeSourceReader(const plan::ConnectorSpec& spec) {
  if (spec.kind == "kafka") return MakeKafkaSourceReader(spec);
  if (spec.kind == "file") return MakeFileSourceReader(spec);
  if (spec.kind == "collection") return MakeCollectionSourceReader(spec);
  if (spec.kind == "generator") return MakeGeneratorSourceReader(spec);
  if (spec.kind == "nexmark") return MakeNexmarkSourceReader(spec);
  return Error(ErrorCode::kUnknownConnector, fmt::format("there is no source connector \"{:.100}\"", spec.kind));
}

}  // namespace headrace::data::connector
