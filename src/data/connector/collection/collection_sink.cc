#include "data/connector/collection/collection_sink.h"

#include <fmt/format.h>

#include "data/connector/immediate_sink.h"

namespace headrace::data::connector {
namespace {

class CollectionSinkWriter final : public ImmediateSinkWriter {
 public:
  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    if (context.on_collected) return Status::OK();
    return Error(ErrorCode::kBadOption,
                 fmt::format("sink \"{}\" (uid {}): rows can be collected only by the program that runs the job itself",
                             context.operator_name, context.operator_uid),
                 "Run the file directly, or write to Kafka or files on a cluster.");
  }
  Status Write(const columnar::DataBatch& batch) override {
    context_->on_collected(context_->operator_uid, batch);
    return Status::OK();
  }

 private:
  const ConnectorContext* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<SinkWriter>> MakeCollectionSinkWriter(const plan::ConnectorSpec&) {
  return std::unique_ptr<SinkWriter>(std::make_unique<CollectionSinkWriter>());
}

}  // namespace headrace::data::connector
