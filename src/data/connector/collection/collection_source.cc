#include "data/connector/collection/collection_source.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "columnar/typed_row_builder.h"
#include "columnar/value_column.h"
#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

using columnar::ValueForm;
using columnar::ValueTag;

constexpr std::int64_t kBatchRows = 4096;
constexpr std::int64_t kBatchBytes = 256 << 10;

class CollectionSourceReader final : public SourceReader {
 public:
  CollectionSourceReader(std::string payload, std::vector<std::string_view> values, ValueForm form)
      : payload_(std::move(payload)), values_(std::move(values)), form_(form) {}

  /// Cuts the list into values; the views point into the reader's own copy of the payload.
  static Result<std::unique_ptr<SourceReader>> Make(const std::string& payload, const std::shared_ptr<arrow::Schema>& schema) {
    auto reader = std::make_unique<CollectionSourceReader>(payload, std::vector<std::string_view>{}, ValueForm::kEncoded);
    const std::string_view bytes = reader->payload_;
    columnar::ValueCursor cursor(bytes);
    columnar::ValueToken list;
    Status status = cursor.Next(&list);
    if (status.ok() && list.tag != ValueTag::kList) status = cursor.Fail("not a list");
    for (std::uint64_t i = 0; status.ok() && i < list.items; ++i) {
      const std::size_t start = cursor.offset();
      status = SkipValue(&cursor);
      if (status.ok()) reader->values_.push_back(bytes.substr(start, cursor.offset() - start));
    }
    if (status.ok() && !cursor.at_end()) status = cursor.Fail("bytes after the list");
    if (!status.ok()) return Error(ErrorCode::kInvalidPlan, "the payload of a collection source is damaged: " + status.message());
    if (schema != nullptr) {
      HR_ASSIGN_OR_RAISE(reader->typed_rows_, columnar::TypedRowBuilder::Make(schema));
      return std::unique_ptr<SourceReader>(std::move(reader));
    }
    const auto all = [&](ValueTag tag) {
      return std::all_of(reader->values_.begin(), reader->values_.end(),
                         [tag](std::string_view v) { return static_cast<ValueTag>(v.front()) == tag; });
    };
    if (all(ValueTag::kString))
      reader->form_ = ValueForm::kUtf8;
    else if (all(ValueTag::kInt))
      reader->form_ = ValueForm::kInt64;
    return std::unique_ptr<SourceReader>(std::move(reader));
  }

  Status Open(const ConnectorContext&) override { return Status::OK(); }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(const plan::CollectionSplit parsed, plan::CollectionSplit::FromPayload(split.payload));
      id_ = split.id;
      position_ = std::min<std::size_t>(static_cast<std::size_t>(parsed.position), values_.size());
      assigned_ = true;
    }
    return Status::OK();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }

  Result<SourcePoll> Poll() override {
    if (!assigned_ || position_ >= values_.size())
      return SourcePoll{no_more_splits_ ? SourcePoll::Kind::kEnd : SourcePoll::Kind::kNothingYet, {}};
    HR_ASSIGN_OR_RAISE(columnar::DataBatch batch, typed_rows_ != nullptr ? NextTyped() : NextUntyped());
    return SourcePoll{SourcePoll::Kind::kBatch, std::move(batch)};
  }

  std::vector<plan::SourceSplit> Positions() const override {
    if (!assigned_) return {};
    return {{id_, plan::CollectionSplit{static_cast<std::int64_t>(position_)}.ToPayload()}};
  }

  void RequestStop() override {}

 private:
  Result<columnar::DataBatch> NextUntyped() {
    columnar::ValueBatchBuilder builder(form_);
    while (position_ < values_.size() && builder.num_rows() < kBatchRows && builder.size_bytes() < kBatchBytes)
      HR_RETURN_NOT_OK(Append(values_[position_++], &builder));
    return builder.Finish();
  }

  Result<columnar::DataBatch> NextTyped() {
    while (position_ < values_.size() && typed_rows_->num_rows() < kBatchRows && typed_rows_->size_bytes() < kBatchBytes) {
      const Status status = typed_rows_->Append(values_[position_]);
      if (!status.ok())
        return Error(ErrorCode::kBadRecord, fmt::format("row {} of the collection: {}", position_, status.message()),
                     "Correct the row, or its type.");
      ++position_;
    }
    return typed_rows_->Finish();
  }

  Status Append(std::string_view value, columnar::ValueBatchBuilder* builder) const {
    if (form_ == ValueForm::kEncoded) return builder->AppendBytes(value);
    columnar::ValueCursor cursor(value);
    columnar::ValueToken token;
    HR_RETURN_NOT_OK(cursor.Next(&token));
    return form_ == ValueForm::kUtf8 ? builder->AppendBytes(token.bytes) : builder->AppendInt(token.integer);
  }

  const std::string payload_;
  std::vector<std::string_view> values_;
  ValueForm form_;
  std::unique_ptr<columnar::TypedRowBuilder> typed_rows_;  // null: untyped
  std::string id_;
  std::size_t position_ = 0;
  bool assigned_ = false, no_more_splits_ = false;
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeCollectionSourceReader(const plan::ConnectorSpec& spec) {
  return CollectionSourceReader::Make(spec.payload, spec.schema);
}

}  // namespace headrace::data::connector
