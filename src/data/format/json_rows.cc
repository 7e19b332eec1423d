#include "data/format/json_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/format/json_value.h"
#include "data/format/row_columns.h"

namespace headrace::data::format {
namespace {

namespace ondemand = simdjson::ondemand;
using Kind = ColumnBuilder::Kind;

constexpr int kUnwanted = -1;
/// Positions whose field is remembered: records of one topic have their fields in one order.
constexpr std::size_t kMaxRemembered = 256;
constexpr std::size_t kMaxRememberedName = 300;
/// Names are compared in place, so that many bytes behind the document can be read.
constexpr std::size_t kPadding = simdjson::SIMDJSON_PADDING + kMaxRememberedName + 2;
constexpr std::size_t kKeptBuffer = 4u << 20;

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

/// The fields of one object and the columns that they go to. `positions` guesses by the field's place in the object.
struct Fields {
  struct Guess {
    std::string name;  ///< with the quote behind it
    int column = kUnwanted;
  };
  std::unordered_map<std::string, int, NameHash, std::equal_to<>> by_name;
  std::vector<Guess> positions;
  std::vector<std::uint64_t> seen;  ///< by column: the object that had it last
  std::uint64_t objects = 0;
  std::vector<Fields> inside;  ///< by column: of structs, and of lists' elements
};

Fields FieldsOf(std::vector<ColumnBuilder>& columns);

Fields FieldsInside(ColumnBuilder& column) {
  ColumnBuilder* innermost = &column;
  while (innermost->kind() == Kind::kList) innermost = &innermost->items();
  return innermost->kind() == Kind::kStruct ? FieldsOf(innermost->children()) : Fields{};
}

Fields FieldsOf(std::vector<ColumnBuilder>& columns) {
  Fields fields;
  for (ColumnBuilder& column : columns) {
    fields.by_name.emplace(column.name(), static_cast<int>(fields.inside.size()));
    fields.inside.push_back(FieldsInside(column));
  }
  fields.seen.resize(columns.size(), 0);
  return fields;
}

Status NotJson(simdjson::error_code error) { return Status::Invalid("not JSON: ", simdjson::error_message(error)); }

#define HR_JSON(expression)                                        \
  do {                                                             \
    const simdjson::error_code json_error = (expression);          \
    if (__builtin_expect(json_error != simdjson::SUCCESS, 0)) return NotJson(json_error); \
  } while (false)

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// A scalar as it stands in the document.
std::string_view TokenOf(ondemand::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && IsBlank(token.back())) token.remove_suffix(1);
  return token;
}

/// JSON's own grammar of numbers; what reads them takes more than that.
bool IsNumber(std::string_view token) {
  std::size_t at = token.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') ++at;
    return at - start;
  };
  const bool zero = at < token.size() && token[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == token.size();
}

/// Integers without a sign in front, point or exponent, up to 18 digits; false for all else.
bool PlainInteger(std::string_view token, std::int64_t* out) {
  const bool negative = token.starts_with('-');
  const std::string_view digits = token.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > 18 || (digits[0] == '0' && digits.size() > 1)) return false;
  std::int64_t value = 0;
  for (const char c : digits) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  *out = negative ? -value : value;
  return true;
}

/// A whole number written with a point or an exponent, exactly.
bool WholeFloat(std::string_view token, std::int64_t* out) {
  double value = 0;
  if (std::from_chars(token.data(), token.data() + token.size(), value).ec != std::errc()) return false;
  if (value != std::floor(value) || std::abs(value) > 9007199254740992.0) return false;
  *out = static_cast<std::int64_t>(value);
  return true;
}

}  // namespace

struct JsonRowDecoder::State {
  RowColumns rows;
  Fields fields;
  ondemand::parser parser;
  std::vector<char> document;
  JsonValueReader values;
  std::string encoded;

  Status Row(std::string_view json);
  Status Object(ondemand::object object, Fields* fields, std::vector<ColumnBuilder>* columns);
  Result<int> ColumnOf(ondemand::field* field, std::size_t position, Fields* fields);
  Status Learn(ondemand::field* field, std::size_t position, Fields* fields, int* column);
  Status Value(ondemand::value value, ColumnBuilder* column, Fields* inside);
  Status Null(ondemand::value& value, ColumnBuilder* column);
  Status Text(ondemand::value& value, std::string_view token, ColumnBuilder* column);
  Status Number(std::string_view token, ColumnBuilder* column);
  Status AnyValue(ondemand::value& value, ColumnBuilder* column);
};

JsonRowDecoder::JsonRowDecoder() : state_(std::make_unique<State>()) {}
JsonRowDecoder::~JsonRowDecoder() = default;

Result<std::unique_ptr<JsonRowDecoder>> JsonRowDecoder::Make(const std::shared_ptr<arrow::Schema>& schema) {
  std::unique_ptr<JsonRowDecoder> made(new JsonRowDecoder());
  HR_ASSIGN_OR_RAISE(made->state_->rows, RowColumns::Make(schema));
  made->state_->fields = FieldsOf(made->state_->rows.columns());
  return made;
}

std::int64_t JsonRowDecoder::num_rows() const { return state_->rows.num_rows(); }
std::int64_t JsonRowDecoder::size_bytes() const { return state_->rows.size_bytes(); }

Status JsonRowDecoder::Append(std::string_view document) {
  const Status status = state_->Row(document);
  if (__builtin_expect(status.ok(), 1)) state_->rows.CloseRow();
  else state_->rows.DropRow();
  return status;
}

Result<std::shared_ptr<arrow::RecordBatch>> JsonRowDecoder::Finish() {
  if (state_->document.size() > kKeptBuffer) {
    state_->document = {};
    state_->parser = ondemand::parser();
  }
  return state_->rows.Finish();
}

Status JsonRowDecoder::State::Row(std::string_view json) {
  if (json.size() > kMaxDocumentBytes) return Status::Invalid("the document has ", json.size(), " bytes; at most ", kMaxDocumentBytes, " are taken");
  // The parser reads behind the end, which the record's own buffer need not allow.
  if (document.size() < json.size() + kPadding) document.resize(std::max(json.size() + kPadding, document.size() * 2));
  std::memcpy(document.data(), json.data(), json.size());
  std::memset(document.data() + json.size(), ' ', kPadding);
  ondemand::document root;
  HR_JSON(parser.iterate(document.data(), json.size(), document.size()).get(root));
  ondemand::object object;
  if (const auto error = root.get_object().get(object); error != simdjson::SUCCESS) {
    return error == simdjson::INCORRECT_TYPE ? Status::Invalid("a row is a JSON object, not ", ShownValue(json)) : NotJson(error);
  }
  HR_RETURN_NOT_OK(Object(object, &fields, &rows.columns()));
  return root.current_location().error() == simdjson::OUT_OF_BOUNDS ? Status::OK() : Status::Invalid("not JSON: something follows the object");
}

Status JsonRowDecoder::State::Object(ondemand::object object, Fields* fields, std::vector<ColumnBuilder>* columns) {
  const std::uint64_t number = ++fields->objects;
  std::size_t position = 0, found = 0;
  ondemand::object_iterator at, end;
  HR_JSON(object.begin().get(at));
  HR_JSON(object.end().get(end));
  for (; at != end; ++at, ++position) {
    ondemand::field field;
    HR_JSON((*at).get(field));
    HR_ASSIGN_OR_RAISE(const int index, ColumnOf(&field, position, fields));
    if (index == kUnwanted) continue;
    const auto i = static_cast<std::size_t>(index);
    ColumnBuilder& column = (*columns)[i];
    if (__builtin_expect(fields->seen[i] == number, 0)) column.Truncate(column.rows() - 1);
    else ++found;
    fields->seen[i] = number;
    HR_RETURN_NOT_OK(Value(field.value(), &column, &fields->inside[i]));
  }
  if (found == columns->size()) return Status::OK();
  for (std::size_t i = 0; i < columns->size(); ++i) {
    if (fields->seen[i] == number) continue;
    ColumnBuilder& column = (*columns)[i];
    if (!column.nullable()) return NullRefused(column, /*absent=*/true);
    column.AppendNull();
  }
  return Status::OK();
}

Result<int> JsonRowDecoder::State::ColumnOf(ondemand::field* field, std::size_t position, Fields* fields) {
  const char* raw = field->key().raw();
  if (position < fields->positions.size()) {
    const Fields::Guess& guess = fields->positions[position];
    if (!guess.name.empty() && std::memcmp(raw, guess.name.data(), guess.name.size()) == 0) return guess.column;
  }
  int column = kUnwanted;
  HR_RETURN_NOT_OK(Learn(field, position, fields, &column));
  return column;
}

/// Looks the field up by its name and remembers it for its position.
Status JsonRowDecoder::State::Learn(ondemand::field* field, std::size_t position, Fields* fields, int* column) {
  const char* raw = field->key().raw();
  std::string_view name;
  HR_JSON(field->unescaped_key().get(name));
  const auto found = fields->by_name.find(name);
  *column = found == fields->by_name.end() ? kUnwanted : found->second;
  const bool plain = std::memcmp(raw, name.data(), std::min(name.size(), kMaxRememberedName)) == 0;
  if (!plain || name.size() > kMaxRememberedName || position >= kMaxRemembered) return Status::OK();
  if (fields->positions.size() <= position) fields->positions.resize(position + 1);
  fields->positions[position] = {std::string(name) + '"', *column};
  return Status::OK();
}

Status JsonRowDecoder::State::Value(ondemand::value value, ColumnBuilder* column, Fields* inside) {
  const std::string_view token = TokenOf(value);
  const char first = token.empty() ? '\0' : token[0];
  if (first == 'n') return Null(value, column);
  switch (column->kind()) {
    case Kind::kValue: return AnyValue(value, column);
    case Kind::kStruct: {
      if (first != '{') return DoesNotFit(*column, token);
      ondemand::object object;
      HR_JSON(value.get_object().get(object));
      HR_RETURN_NOT_OK(Object(object, inside, &column->children()));
      column->CloseStruct();
      return Status::OK();
    }
    case Kind::kList: {
      if (first != '[') return DoesNotFit(*column, token);
      ondemand::array array;
      HR_JSON(value.get_array().get(array));
      ondemand::array_iterator at, end;
      HR_JSON(array.begin().get(at));
      HR_JSON(array.end().get(end));
      for (; at != end; ++at) {
        ondemand::value item;
        HR_JSON((*at).get(item));
        HR_RETURN_NOT_OK(Value(item, &column->items(), inside));
      }
      column->CloseList();
      return Status::OK();
    }
    default: break;
  }
  if (first == '"') return Text(value, token, column);
  if (first == 't' || first == 'f') {
    bool flag = false;
    HR_JSON(value.get_bool().get(flag));
    if (column->kind() != Kind::kBool) return DoesNotFit(*column, token);
    column->AppendBool(flag);
    return Status::OK();
  }
  if (first == '{' || first == '[') return DoesNotFit(*column, first == '{' ? "an object" : "an array");
  return Number(token, column);
}

Status JsonRowDecoder::State::Null(ondemand::value& value, ColumnBuilder* column) {
  bool null = false;
  HR_JSON(value.is_null().get(null));
  if (!null) return NotJson(simdjson::N_ATOM_ERROR);
  if (column->kind() == Kind::kValue) return column->AppendBytes(std::string_view("\0", 1)) ? Status::OK() : DoesNotFit(*column, "null");
  if (!column->nullable()) return NullRefused(*column, /*absent=*/false);
  column->AppendNull();
  return Status::OK();
}

Status JsonRowDecoder::State::Text(ondemand::value& value, std::string_view token, ColumnBuilder* column) {
  if (token.size() < 2 || token.back() != '"') return NotJson(simdjson::STRING_ERROR);
  std::string_view text = token.substr(1, token.size() - 2);
  if (std::memchr(text.data(), '\\', text.size()) != nullptr) HR_JSON(value.get_string().get(text));
  const bool fits = column->kind() == Kind::kText ? column->AppendBytes(text) : column->kind() != Kind::kBool && column->AppendText(text);
  return fits ? Status::OK() : DoesNotFit(*column, token);
}

Status JsonRowDecoder::State::Number(std::string_view token, ColumnBuilder* column) {
  std::int64_t whole = 0;
  const bool plain = PlainInteger(token, &whole);
  if (!plain && !IsNumber(token)) return Status::Invalid("not JSON: ", ShownValue(token), " is no value");
  bool fits = false;
  switch (column->kind()) {
    case Kind::kInt64:
      if (__builtin_expect(plain, 1)) {
        column->AppendInt64(whole);
        return Status::OK();
      }
      [[fallthrough]];
    case Kind::kInt8: case Kind::kInt16: case Kind::kInt32: case Kind::kUint8: case Kind::kUint16: case Kind::kUint32: case Kind::kUint64:
      fits = plain ? column->AppendInteger(whole) : column->AppendText(token) || (WholeFloat(token, &whole) && column->AppendInteger(whole));
      break;
    case Kind::kFloat32: case Kind::kFloat64: case Kind::kDecimal: fits = column->AppendText(token); break;
    case Kind::kDate: fits = plain && column->AppendTicks(whole); break;
    case Kind::kTimestamp: case Kind::kDuration: case Kind::kTime:
      fits = (plain || WholeFloat(token, &whole)) && column->AppendTicks(whole, 1000);
      break;
    default: break;
  }
  return fits ? Status::OK() : DoesNotFit(*column, token);
}

Status JsonRowDecoder::State::AnyValue(ondemand::value& value, ColumnBuilder* column) {
  ondemand::json_type type{};
  HR_JSON(value.type().get(type));
  std::string_view raw;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    HR_JSON(value.get_object().get(object));
    HR_JSON(object.raw_json().get(raw));
  } else if (type == ondemand::json_type::array) {
    ondemand::array array;
    HR_JSON(value.get_array().get(array));
    HR_JSON(array.raw_json().get(raw));
  } else {
    raw = TokenOf(value);
  }
  encoded.clear();
  HR_RETURN_NOT_OK(values.Append(raw, &encoded));
  return column->AppendBytes(encoded) ? Status::OK() : DoesNotFit(*column, raw);
}

}  // namespace headrace::data::format
