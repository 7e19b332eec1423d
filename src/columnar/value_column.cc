#include "columnar/value_column.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer_builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "base/utf8.h"

namespace headrace::columnar {
namespace {

std::shared_ptr<const arrow::KeyValueMetadata> ExtensionMetadata(std::string_view name) {
  return arrow::key_value_metadata({std::string(kExtensionNameKey)}, {std::string(name)});
}

std::shared_ptr<arrow::DataType> TypeOf(ValueForm form) {
  switch (form) {
    case ValueForm::kUtf8:
      return arrow::large_utf8();
    case ValueForm::kInt64:
      return arrow::int64();
    case ValueForm::kFloat64:
      return arrow::float64();
    case ValueForm::kBool:
      return arrow::boolean();
    case ValueForm::kEncoded:
    case ValueForm::kRawBytes:
      break;
  }
  return arrow::large_binary();
}

std::shared_ptr<arrow::Field> MakeValueField(ValueForm form) {
  return arrow::field(std::string(kValueColumn), TypeOf(form), /*nullable=*/false,
                      form == ValueForm::kEncoded ? ExtensionMetadata(kValueExtension) : nullptr);
}

/// One schema a form, with and without keys, so that batches of one form share theirs.
const std::shared_ptr<arrow::Schema>& SchemaOf(ValueForm form, bool keyed) {
  static const auto schemas = [] {
    std::vector<std::shared_ptr<arrow::Schema>> all;
    for (std::uint32_t f = 0; f <= static_cast<std::uint32_t>(ValueForm::kRawBytes); ++f) {
      all.push_back(arrow::schema({MakeValueField(static_cast<ValueForm>(f))}));
      all.push_back(arrow::schema({MakeValueField(static_cast<ValueForm>(f)), KeyField()}));
    }
    return all;
  }();
  return schemas[static_cast<std::size_t>(form) * 2 + (keyed ? 1 : 0)];
}

}  // namespace

Result<ValueForm> FormOf(const arrow::Field& field) {
  switch (field.type()->id()) {
    case arrow::Type::LARGE_STRING:
      return ValueForm::kUtf8;
    case arrow::Type::INT64:
      return ValueForm::kInt64;
    case arrow::Type::DOUBLE:
      return ValueForm::kFloat64;
    case arrow::Type::BOOL:
      return ValueForm::kBool;
    case arrow::Type::LARGE_BINARY: {
      if (field.metadata() == nullptr) return ValueForm::kRawBytes;
      const int at = field.metadata()->FindKey(std::string(kExtensionNameKey));
      return at >= 0 && field.metadata()->value(at) == kValueExtension ? ValueForm::kEncoded : ValueForm::kRawBytes;
    }
    default:
      return Status::Invalid("column ", field.name(), " of type ", field.type()->ToString(), " is none of the forms of a value column");
  }
}

std::shared_ptr<arrow::Field> ValueField(ValueForm form) { return SchemaOf(form, false)->field(0); }

std::shared_ptr<arrow::Field> KeyField() {
  static const auto field =
      arrow::field(std::string(kKeyColumn), arrow::large_binary(), /*nullable=*/false, ExtensionMetadata(kKeyExtension));
  return field;
}

Result<DataBatch> MakeValueBatch(ValueForm form, std::shared_ptr<arrow::Array> values, std::shared_ptr<arrow::Array> keys) {
  const auto& schema = SchemaOf(form, keys != nullptr);
  if (!values->type()->Equals(*schema->field(0)->type()))
    return Status::Invalid("a value column of type ", schema->field(0)->type()->ToString(), " was given ", values->type()->ToString());
  const std::int64_t rows = values->length();
  if (keys == nullptr) return DataBatch(arrow::RecordBatch::Make(schema, rows, {std::move(values)}));
  if (keys->type_id() != arrow::Type::LARGE_BINARY)
    return Status::Invalid("a key column must be large_binary, not ", keys->type()->ToString());
  if (keys->length() != rows) return Status::Invalid("a batch of ", rows, " values was given ", keys->length(), " keys");
  return DataBatch(arrow::RecordBatch::Make(schema, rows, {std::move(values), std::move(keys)}));
}

struct ValueBatchBuilder::State {
  ValueForm form;
  std::int64_t rows = 0;
  arrow::TypedBufferBuilder<std::int64_t> offsets;
  arrow::BufferBuilder data;  // bytes, or fixed-width values
  arrow::TypedBufferBuilder<bool> bits;

  bool is_bytes() const { return form == ValueForm::kUtf8 || form == ValueForm::kRawBytes || form == ValueForm::kEncoded; }
  template <typename T>
  Status AppendFixed(T value) {
    HR_RETURN_NOT_OK(data.Append(&value, sizeof(value)));
    ++rows;
    return Status::OK();
  }
};

ValueBatchBuilder::ValueBatchBuilder(ValueForm form) : state_(std::make_unique<State>()) { state_->form = form; }
ValueBatchBuilder::~ValueBatchBuilder() = default;

Status ValueBatchBuilder::AppendBytes(std::string_view bytes) {
  State& s = *state_;
  if (!s.is_bytes()) return Status::Invalid("AppendBytes on a batch of another form");
  if (s.form == ValueForm::kUtf8) {
    const std::size_t bad = FindInvalidUtf8(bytes);
    if (bad != std::string_view::npos) return Status::Invalid("not UTF-8 at byte ", bad);
  }
  HR_RETURN_NOT_OK(s.offsets.Reserve(1));
  const std::int64_t start = s.data.length();
  HR_RETURN_NOT_OK(s.data.Append(bytes.data(), static_cast<std::int64_t>(bytes.size())));
  s.offsets.UnsafeAppend(start);
  ++s.rows;
  return Status::OK();
}

Status ValueBatchBuilder::AppendInt(std::int64_t value) {
  return state_->form == ValueForm::kInt64 ? state_->AppendFixed(value) : Status::Invalid("AppendInt on a batch of another form");
}

Status ValueBatchBuilder::AppendFloat(double value) {
  return state_->form == ValueForm::kFloat64 ? state_->AppendFixed(value) : Status::Invalid("AppendFloat on a batch of another form");
}

Status ValueBatchBuilder::AppendBool(bool value) {
  if (state_->form != ValueForm::kBool) return Status::Invalid("AppendBool on a batch of another form");
  HR_RETURN_NOT_OK(state_->bits.Append(value));
  ++state_->rows;
  return Status::OK();
}

std::int64_t ValueBatchBuilder::num_rows() const { return state_->rows; }

std::int64_t ValueBatchBuilder::size_bytes() const {
  const State& s = *state_;
  return s.data.length() + (s.is_bytes() ? (s.rows + 1) * static_cast<std::int64_t>(sizeof(std::int64_t)) : 0) + (s.bits.length() + 7) / 8;
}

Result<DataBatch> ValueBatchBuilder::Finish() {
  State& s = *state_;
  const std::int64_t rows = std::exchange(s.rows, 0);
  std::shared_ptr<arrow::ArrayData> array;
  if (s.is_bytes()) {
    HR_RETURN_NOT_OK(s.offsets.Append(s.data.length()));
    HR_ASSIGN_OR_RAISE(auto offsets, s.offsets.Finish());
    HR_ASSIGN_OR_RAISE(auto data, s.data.Finish());
    array = arrow::ArrayData::Make(TypeOf(s.form), rows, {nullptr, std::move(offsets), std::move(data)}, 0);
  } else if (s.form == ValueForm::kBool) {
    HR_ASSIGN_OR_RAISE(auto bits, s.bits.Finish());
    array = arrow::ArrayData::Make(TypeOf(s.form), rows, {nullptr, std::move(bits)}, 0);
  } else {
    HR_ASSIGN_OR_RAISE(auto data, s.data.Finish());
    array = arrow::ArrayData::Make(TypeOf(s.form), rows, {nullptr, std::move(data)}, 0);
  }
  return DataBatch(
      arrow::RecordBatch::Make(SchemaOf(s.form, false), rows, std::vector<std::shared_ptr<arrow::ArrayData>>{std::move(array)}));
}

}  // namespace headrace::columnar
