#include "data/state/nested_values.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/buffer_builder.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <limits>
#include <utility>

namespace headrace::data::state {

namespace {

using arrow::Type;

bool IsBytes(Type::type id) { return id == Type::STRING || id == Type::BINARY || id == Type::LARGE_STRING || id == Type::LARGE_BINARY; }
bool IsLarge(Type::type id) { return id == Type::LARGE_STRING || id == Type::LARGE_BINARY; }

bool IsInside(const arrow::DataType& type) {
  if (IsNested(type) || IsBytes(type.id())) return true;
  return arrow::is_fixed_width(type.id()) && type.num_fields() == 0 && type.id() != Type::DICTIONARY && type.id() != Type::EXTENSION;
}

void AppendCount(std::uint32_t count, std::string* out) { out->append(reinterpret_cast<const char*>(&count), sizeof(count)); }

template <typename Offset>
void AppendBytes(const arrow::ArrayData& column, std::int64_t row, std::string* out) {
  const Offset* offsets = column.GetValues<Offset>(1);
  const auto size = static_cast<std::uint32_t>(offsets[row + 1] - offsets[row]);
  AppendCount(size, out);
  if (size > 0) out->append(reinterpret_cast<const char*>(column.buffers[2]->data()) + offsets[row], size);
}

}  // namespace

bool IsNested(const arrow::DataType& type) {
  if (type.id() != Type::LIST && type.id() != Type::STRUCT) return false;
  for (const auto& field : type.fields()) {
    if (!IsInside(*field->type())) return false;
  }
  return true;
}

void AppendNested(const arrow::ArrayData& column, std::int64_t row, std::string* out) {
  const bool null = column.buffers[0] != nullptr && !arrow::bit_util::GetBit(column.buffers[0]->data(), column.offset + row);
  out->push_back(null ? '\0' : '\1');
  if (null) return;
  const arrow::DataType& type = *column.type;
  switch (type.id()) {
    case Type::LIST: {
      const auto* offsets = column.GetValues<std::int32_t>(1);
      AppendCount(static_cast<std::uint32_t>(offsets[row + 1] - offsets[row]), out);
      for (std::int64_t i = offsets[row]; i < offsets[row + 1]; ++i) AppendNested(*column.child_data[0], i, out);
      return;
    }
    case Type::STRUCT:
      for (const auto& child : column.child_data) AppendNested(*child, column.offset + row, out);
      return;
    case Type::BOOL:
      out->push_back(arrow::bit_util::GetBit(column.buffers[1]->data(), column.offset + row) ? '\1' : '\0');
      return;
    default:
      break;
  }
  if (IsLarge(type.id())) return AppendBytes<std::int64_t>(column, row, out);
  if (IsBytes(type.id())) return AppendBytes<std::int32_t>(column, row, out);
  const std::int64_t width = type.bit_width() / 8;
  out->append(reinterpret_cast<const char*>(column.buffers[1]->data()) + (column.offset + row) * width, static_cast<std::size_t>(width));
}

/// A column under construction, with those inside of it.
struct NestedBuilder::Column {
  explicit Column(std::shared_ptr<arrow::DataType> of) : type(std::move(of)) {
    for (const auto& field : type->fields()) children.push_back(std::make_unique<Column>(field->type()));
    width = children.empty() && !IsBytes(type->id()) ? type->bit_width() / 8 : 0;
  }

  void AppendNull() {
    valid.push_back(0);
    ++nulls;
    if (type->id() == Type::STRUCT) {
      for (const auto& child : children) child->AppendNull();
    } else if (type->id() == Type::LIST || IsBytes(type->id())) {
      ends.push_back(End());
    } else {
      bytes.append(type->id() == Type::BOOL ? 1 : static_cast<std::size_t>(width), '\0');
    }
  }

  /// Takes its value from the front of the bytes, which AppendNested() wrote.
  void Append(std::string_view* from) {
    const bool null = from->front() == '\0';
    from->remove_prefix(1);
    if (null) return AppendNull();
    valid.push_back(1);
    if (type->id() == Type::STRUCT) {
      for (const auto& child : children) child->Append(from);
    } else if (type->id() == Type::LIST) {
      for (std::uint32_t left = TakeCount(from); left > 0; --left) children[0]->Append(from);
      ends.push_back(End());
    } else if (IsBytes(type->id())) {
      Take(TakeCount(from), from);
      ends.push_back(End());
    } else {
      Take(type->id() == Type::BOOL ? 1 : static_cast<std::size_t>(width), from);
    }
  }

  Result<std::shared_ptr<arrow::ArrayData>> Finish() {
    const auto rows = static_cast<std::int64_t>(valid.size());
    auto data = arrow::ArrayData::Make(type, rows, {nullptr}, nulls);
    if (nulls > 0) {
      HR_ASSIGN_OR_RAISE(data->buffers[0], Bits(valid));
    }
    for (const auto& child : children) {
      HR_ASSIGN_OR_RAISE(data->child_data.emplace_back(), child->Finish());
    }
    if (type->id() == Type::STRUCT) return data;
    if (type->id() == Type::BOOL) {
      HR_ASSIGN_OR_RAISE(data->buffers.emplace_back(), Bits(bytes));
      return data;
    }
    if (type->id() == Type::LIST || IsBytes(type->id())) {
      HR_ASSIGN_OR_RAISE(data->buffers.emplace_back(), IsLarge(type->id()) ? Offsets<std::int64_t>() : Offsets<std::int32_t>());
      if (type->id() == Type::LIST) return data;
    }
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(static_cast<std::int64_t>(bytes.size())));
    if (!bytes.empty()) std::memcpy(values->mutable_data(), bytes.data(), bytes.size());
    data->buffers.push_back(std::move(values));
    return data;
  }

  std::int64_t End() const { return static_cast<std::int64_t>(type->id() == Type::LIST ? children[0]->valid.size() : bytes.size()); }
  static std::uint32_t TakeCount(std::string_view* from) {
    std::uint32_t count = 0;
    std::memcpy(&count, from->data(), sizeof(count));
    from->remove_prefix(sizeof(count));
    return count;
  }
  void Take(std::size_t size, std::string_view* from) {
    bytes.append(from->data(), size);
    from->remove_prefix(size);
  }
  static Result<std::shared_ptr<arrow::Buffer>> Bits(const std::string& flags) {
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateEmptyBitmap(static_cast<std::int64_t>(flags.size())));
    for (std::size_t i = 0; i < flags.size(); ++i) {
      if (flags[i] != 0) arrow::bit_util::SetBit(bits->mutable_data(), static_cast<std::int64_t>(i));
    }
    return bits;
  }
  template <typename Offset>
  Result<std::shared_ptr<arrow::Buffer>> Offsets() const {
    if (End() > static_cast<std::int64_t>(std::numeric_limits<Offset>::max()))
      return Status::CapacityError("more in one batch than ", type->ToString(), " can hold");
    arrow::TypedBufferBuilder<Offset> offsets;
    HR_RETURN_NOT_OK(offsets.Reserve(static_cast<std::int64_t>(ends.size()) + 1));
    offsets.UnsafeAppend(0);
    for (const std::int64_t end : ends) offsets.UnsafeAppend(static_cast<Offset>(end));
    return offsets.Finish();
  }

  std::shared_ptr<arrow::DataType> type;
  std::int64_t width = 0, nulls = 0;
  std::string valid;               // a byte each
  std::string bytes;               // values of fixed width, bools a byte each, texts
  std::vector<std::int64_t> ends;  // of lists, texts and bytes
  std::vector<std::unique_ptr<Column>> children;
};

NestedBuilder::NestedBuilder(std::shared_ptr<arrow::DataType> type) : root_(std::make_unique<Column>(std::move(type))) {}
NestedBuilder::~NestedBuilder() = default;
void NestedBuilder::AppendNull() { root_->AppendNull(); }
void NestedBuilder::Append(std::string_view value) { root_->Append(&value); }
Result<std::shared_ptr<arrow::ArrayData>> NestedBuilder::Finish() { return root_->Finish(); }

}  // namespace headrace::data::state
