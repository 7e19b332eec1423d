#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "columnar/typed_column_builder.h"
#include "columnar/typed_row_value.h"
#include "data/operator/aggregate/make_aggregate.h"

namespace headrace::data::op {
namespace {

/// collect() of lists and structs: each value stands in the state as its encoded bytes.
/// Shape:   in a column of `type`; out lists of `type` in the order of arrival.
/// Errors:  CapacityError for a batch whose encoded values go beyond 2 GiB.
class NestedCollect final : public AggregateFunction {
 public:
  NestedCollect(std::unique_ptr<AggregateFunction> bytes, std::shared_ptr<arrow::DataType> type)
      : bytes_(std::move(bytes)), type_(std::move(type)) {}
  std::uint32_t state_words() const override { return bytes_->state_words(); }
  std::shared_ptr<arrow::DataType> result_type() const override { return arrow::list(type_); }
  Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    std::shared_ptr<arrow::ArrayData> column;
    HR_ASSIGN_OR_RAISE(const AggregateInput encoded, Encoded(input, rows, &column));
    return bytes_->Add(encoded, groups, rows);
  }
  Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    std::shared_ptr<arrow::ArrayData> column;
    HR_ASSIGN_OR_RAISE(const AggregateInput encoded, Encoded(input, rows, &column));
    return bytes_->Retract(encoded, groups, rows);
  }
  bool retractable() const override { return bytes_->retractable(); }
  bool grows_when_merged() const override { return bytes_->grows_when_merged(); }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    return bytes_->Merge(into, from, groups);
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    HR_ASSIGN_OR_RAISE(const auto encoded, bytes_->Results(groups, count));
    const auto& lists = static_cast<const arrow::ListArray&>(*encoded);
    const auto& values = static_cast<const arrow::BinaryArray&>(*lists.values());
    HR_ASSIGN_OR_RAISE(const auto builder, columnar::TypedColumnBuilder::Make(type_));
    for (std::int64_t i = 0; i < values.length(); ++i) HR_RETURN_NOT_OK(builder->Append(values.GetView(i)));
    HR_ASSIGN_OR_RAISE(const auto typed, builder->Finish());
    return arrow::MakeArray(arrow::ArrayData::Make(result_type(), count, {nullptr, lists.data()->buffers[1]}, {typed->data()}, 0));
  }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override { bytes_->Release(groups, count); }
  bool owns_memory() const override { return bytes_->owns_memory(); }
  std::int64_t allocated_bytes() const override { return bytes_->allocated_bytes(); }

 private:
  /// The values that count as a column of bytes, which `column` keeps.
  static Result<AggregateInput> Encoded(const AggregateInput& input, std::int64_t rows, std::shared_ptr<arrow::ArrayData>* column) {
    const auto values = arrow::MakeArray(std::make_shared<arrow::ArrayData>(*input.column));
    std::string bytes;
    std::vector<std::int32_t> ends = {0};
    ends.reserve(static_cast<std::size_t>(rows) + 1);
    for (std::int64_t i = 0; i < rows; ++i) {
      if (input.valid == nullptr || input.valid[i] != 0) HR_RETURN_NOT_OK(columnar::AppendColumnValue(*values, input.first + i, &bytes));
      if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        return Status::CapacityError("the values of one batch that are collected go beyond 2 GiB");
      ends.push_back(static_cast<std::int32_t>(bytes.size()));
    }
    *column = arrow::ArrayData::Make(arrow::binary(), rows,
                                     {nullptr, arrow::Buffer::FromVector(std::move(ends)), arrow::Buffer::FromString(std::move(bytes))}, 0);
    AggregateInput encoded = input;
    encoded.values = nullptr;
    encoded.column = column->get();
    encoded.first = 0;
    return encoded;
  }

  const std::unique_ptr<AggregateFunction> bytes_;
  const std::shared_ptr<arrow::DataType> type_;
};

}  // namespace

Result<std::unique_ptr<AggregateFunction>> MakeNestedCollect(const AggregateSettings& settings, std::uint32_t at) {
  AggregateSettings of_bytes = settings;
  of_bytes.type = arrow::binary();
  HR_ASSIGN_OR_RAISE(auto bytes, MakeListed(of_bytes, at));
  return std::make_unique<NestedCollect>(std::move(bytes), settings.type);
}

}  // namespace headrace::data::op
