#include "data/format/protobuf_schema.h"

#include <fmt/format.h>
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

namespace headrace::data::format {
namespace {

namespace pb = google::protobuf;
constexpr std::size_t kMaxBytes = 1 << 20;
constexpr int kMaxBraces = 100;

/// Keeps the first error.
class Errors final : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber, const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}: {}", line + 1, message);
  }
  void AddError(const std::string&, const std::string& element, const pb::Message*, ErrorLocation, const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("{}: {}", element, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// The parser goes down a step a brace.
bool NestsTooDeep(std::string_view proto) {
  int open = 0;
  for (const char c : proto) {
    open += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (open > kMaxBraces) return true;
  }
  return false;
}

Result<pb::FileDescriptorProto> ParseFile(std::string_view proto, const std::string& name) {
  if (NestsTooDeep(proto)) return Status::Invalid("it is nested more than ", kMaxBraces, " deep");
  Errors errors;
  pb::io::ArrayInputStream input(proto.data(), static_cast<int>(proto.size()));
  pb::io::Tokenizer tokenizer(&input, &errors);
  pb::compiler::Parser parser;
  parser.RecordErrorsTo(&errors);
  pb::FileDescriptorProto file;
  file.set_name(name);
  if (!parser.Parse(&tokenizer, &file) || !errors.text().empty()) return Status::Invalid(errors.text());
  return file;
}

}  // namespace

struct ProtobufSchema::Pool {
  Pool() : pool(pb::DescriptorPool::generated_pool()) {}
  pb::DescriptorPool pool;
};

ProtobufSchema::ProtobufSchema() : pool_(std::make_unique<Pool>()) {}
ProtobufSchema::~ProtobufSchema() = default;

Result<std::shared_ptr<const ProtobufSchema>> ProtobufSchema::Parse(std::string_view proto,
                                                                    const std::vector<std::pair<std::string, std::string>>& imports) {
  // Makes the pool of generated messages know the files that schemas like to import.
  (void)pb::Timestamp::descriptor();
  (void)pb::Duration::descriptor();
  (void)pb::Int64Value::descriptor();
  std::size_t bytes = proto.size();
  for (const auto& [name, text] : imports) bytes += text.size();
  if (bytes > kMaxBytes) return Status::Invalid("the Protobuf schema has ", bytes, " bytes; at most ", kMaxBytes, " are taken");
  std::shared_ptr<ProtobufSchema> schema(new ProtobufSchema());
  const auto add = [&](std::string_view text, const std::string& name) -> Result<const pb::FileDescriptor*> {
    HR_ASSIGN_OR_RAISE(const pb::FileDescriptorProto file, ParseFile(text, name));
    Errors errors;
    const pb::FileDescriptor* built = schema->pool_->pool.BuildFileCollectingErrors(file, &errors);
    return built == nullptr ? Result<const pb::FileDescriptor*>(Status::Invalid(errors.text())) : built;
  };
  for (const auto& [name, text] : imports) {
    if (pb::DescriptorPool::generated_pool()->FindFileByName(name) != nullptr || schema->pool_->pool.FindFileByName(name) != nullptr)
      continue;
    const auto built = add(text, name);
    if (!built.ok())
      return Status::Invalid(fmt::format("the Protobuf schema \"{:.100}\" cannot be used: {}", name, built.status().message()));
  }
  const auto built = add(proto, "headrace/record.proto");
  if (!built.ok()) return Status::Invalid("the Protobuf schema cannot be used: ", built.status().message());
  schema->file_ = *built;
  return schema;
}

const pb::Descriptor* ProtobufSchema::MessageAt(const std::vector<int>& path) const {
  const pb::Descriptor* message = nullptr;
  for (const int index : path) {
    const int count = message == nullptr ? file_->message_type_count() : message->nested_type_count();
    if (index < 0 || index >= count) return nullptr;
    message = message == nullptr ? file_->message_type(index) : message->nested_type(index);
  }
  return message;
}

const pb::Descriptor* ProtobufSchema::MessageNamed(const std::string& name) const {
  if (const pb::Descriptor* found = pool_->pool.FindMessageTypeByName(name)) return found;
  return file_->FindMessageTypeByName(name);
}

}  // namespace headrace::data::format
