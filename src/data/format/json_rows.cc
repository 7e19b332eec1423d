#include "data/format/json_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
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

using Kind = ColumnBuilder::Kind;

constexpr int kUnwanted = -1;
/// Positions whose field is remembered: records of one topic have their fields in one order.
constexpr std::size_t kMaxRemembered = 256;
constexpr std::size_t kMaxRememberedName = 300;
constexpr std::size_t kLeastCapacity = 64u << 10, kMostKept = 4u << 20;

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

/// The fields of one object and the columns that they go to. `positions` guesses by the field's place in the object.
struct Fields {
  struct Guess {
    std::string name;  ///< with the quote behind it; empty: none yet
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

[[gnu::noinline]] Status NotJson(std::string_view why) { return Status::Invalid("not JSON: ", why); }
[[gnu::noinline]] Status CutOff() { return NotJson("it ends too early"); }

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

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

/// Eight ASCII digits at once; false when one of them is none.
bool EightDigits(const char* text, std::uint64_t* out) {
  std::uint64_t word = 0;
  std::memcpy(&word, text, 8);
  const std::uint64_t high = word & 0xF0F0F0F0F0F0F0F0, carried = (word + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0;
  if (high != 0x3030303030303030 || carried != 0x3030303030303030) return false;
  word -= 0x3030303030303030;
  word = word * 10 + (word >> 8);
  *out = ((word & 0x000000FF000000FF) * 0x000F424000000064 + ((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >> 32;
  return true;
}

/// Integers without a plus in front, point or exponent, up to 18 digits; false for all else.
bool PlainInteger(std::string_view token, std::int64_t* out) {
  const bool negative = token.starts_with('-');
  std::string_view digits = token.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > 18 || (digits[0] == '0' && digits.size() > 1)) return false;
  std::uint64_t value = 0;
  for (std::uint64_t eight = 0; digits.size() >= 8; digits.remove_prefix(8)) {
    if (!EightDigits(digits.data(), &eight)) return false;
    value = value * 100'000'000 + eight;
  }
  for (const char c : digits) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  *out = negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
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

/// Four hexadecimal digits, -1 when they are none.
std::int32_t Hex4(std::string_view text) {
  std::int32_t value = 0;
  if (text.size() < 4) return -1;
  for (const char c : text.substr(0, 4)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void AppendUtf8(std::int32_t code, std::string* out) {
  const auto put = [out](std::int32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

/// What a string with escapes says; false for escapes that are none, lone surrogates among them.
bool Unescape(std::string_view text, std::string* out) {
  constexpr std::string_view kShort = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  out->clear();
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return true;
    if (text.size() < 2) return false;
    const std::size_t at = kShort.find(text[1]);
    if (at != std::string_view::npos) {
      out->push_back(kMeant[at]);
      text.remove_prefix(2);
      continue;
    }
    std::int32_t code = text[1] == 'u' ? Hex4(text.substr(2)) : -1;
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF)) return false;
    text.remove_prefix(6);
    if (code >= 0xD800 && code <= 0xDBFF) {
      const std::int32_t low = text.starts_with("\\u") ? Hex4(text.substr(2)) : -1;
      if (low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      text.remove_prefix(6);
    }
    AppendUtf8(code, out);
  }
  return true;
}

}  // namespace

/// Walks over the places that simdjson's first stage finds in a document: braces, brackets, colons, commas and the starts of strings and
/// other scalars, in order and outside of strings; it has checked the UTF-8 by then. simdjson's own iterators on top of them are built
/// for the machine the code is compiled for, which has to be an old one, and cost twice as much here.
struct JsonRowDecoder::State {
  RowColumns rows;
  Fields fields;
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
  const char* text = nullptr;
  std::uint32_t size = 0;
  bool has_escapes = false;
  const std::uint32_t* at = nullptr;  ///< the next place
  const std::uint32_t* end = nullptr;
  JsonValueReader values;
  std::string encoded, unescaped;

  char Here() const { return text[*at]; }
  /// The scalar here, and on to the next place. A place always follows: that of what closes the object.
  std::string_view TakeToken() {
    const std::uint32_t start = *at++;
    std::uint32_t stop = at < end ? *at : size;
    while (stop > start && IsBlank(text[stop - 1])) --stop;
    return {text + start, stop - start};
  }
  Status Row(std::string_view json);
  Status Object(Fields* fields, std::vector<ColumnBuilder>* columns);
  Status Absent(Fields* fields, std::vector<ColumnBuilder>* columns);
  Status Learn(std::size_t position, Fields* fields, int* column);
  Status Value(ColumnBuilder* column, Fields* inside);
  Status List(ColumnBuilder* column, Fields* inside);
  Status Skip();
  Status Null(ColumnBuilder* column);
  Status Text(std::string_view token, ColumnBuilder* column);
  Status Number(std::string_view token, ColumnBuilder* column);
  Status AnyValue(ColumnBuilder* column);
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
  Status status = state_->Row(document);
  if (__builtin_expect(status.ok(), 1))
    state_->rows.CloseRow();
  else
    state_->rows.DropRow();
  return status;
}

Result<std::shared_ptr<arrow::RecordBatch>> JsonRowDecoder::Finish() {
  if (state_->stage != nullptr && state_->stage->capacity() > kMostKept) state_->stage.reset();
  return state_->rows.Finish();
}

Status JsonRowDecoder::State::Row(std::string_view json) {
  if (json.size() > kMaxDocumentBytes)
    return Status::Invalid("the document has ", json.size(), " bytes; at most ", kMaxDocumentBytes, " are taken");
  if (stage == nullptr || stage->capacity() < json.size()) {
    const std::size_t capacity = std::max(kLeastCapacity, json.size());
    const auto error = stage == nullptr ? simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, stage)
                                        : stage->set_capacity(capacity);
    if (error != simdjson::SUCCESS) return Status::OutOfMemory("a JSON document of ", json.size(), " bytes");
  }
  const auto error = stage->stage1(reinterpret_cast<const std::uint8_t*>(json.data()), json.size(), simdjson::stage1_mode::regular);
  if (__builtin_expect(error != simdjson::SUCCESS, 0)) return NotJson(simdjson::error_message(error));
  text = json.data();
  size = static_cast<std::uint32_t>(json.size());
  has_escapes = std::memchr(text, '\\', size) != nullptr;
  at = stage->structural_indexes.get();
  end = at + stage->n_structural_indexes;
  if (at == end || Here() != '{') return Status::Invalid("a row is a JSON object, not ", ShownValue(json));
  ++at;
  HR_RETURN_NOT_OK(Object(&fields, &rows.columns()));
  return at == end ? Status::OK() : NotJson("something follows the object");
}

/// `at` stands behind the brace.
Status JsonRowDecoder::State::Object(Fields* fields, std::vector<ColumnBuilder>* columns) {
  const std::uint64_t number = ++fields->objects;
  std::size_t found = 0;
  if (at < end && Here() == '}') {
    ++at;
    return Absent(fields, columns);
  }
  for (std::size_t position = 0;; ++position) {
    if (__builtin_expect(end - at < 4, 0)) return CutOff();  // name, colon, value, and what follows it
    if (__builtin_expect(Here() != '"' || text[at[1]] != ':', 0))
      return NotJson("an object has names and values with a colon between them");
    int index = kUnwanted;
    const bool remembered = position < fields->positions.size();
    const std::string* name = remembered ? &fields->positions[position].name : nullptr;
    if (remembered && !name->empty() && *at + 1 + name->size() <= at[1] && std::memcmp(text + *at + 1, name->data(), name->size()) == 0) {
      index = fields->positions[position].column;
    } else {
      HR_RETURN_NOT_OK(Learn(position, fields, &index));
    }
    at += 2;
    if (index == kUnwanted) {
      HR_RETURN_NOT_OK(Skip());
    } else {
      const auto i = static_cast<std::size_t>(index);
      ColumnBuilder& column = (*columns)[i];
      if (__builtin_expect(fields->seen[i] == number, 0))
        column.Truncate(column.rows() - 1);
      else
        ++found;
      fields->seen[i] = number;
      HR_RETURN_NOT_OK(Value(&column, &fields->inside[i]));
    }
    if (__builtin_expect(at >= end, 0)) return CutOff();
    const char next = text[*at++];
    if (next == ',') continue;
    if (__builtin_expect(next != '}', 0)) return NotJson("a comma is missing");
    return found == columns->size() ? Status::OK() : Absent(fields, columns);
  }
}

Status JsonRowDecoder::State::Absent(Fields* fields, std::vector<ColumnBuilder>* columns) {
  for (std::size_t i = 0; i < columns->size(); ++i) {
    if (fields->seen[i] == fields->objects) continue;
    ColumnBuilder& column = (*columns)[i];
    if (!column.nullable()) return NullRefused(column, /*absent=*/true);
    column.AppendNull();
  }
  return Status::OK();
}

/// Looks the field here up by its name and remembers it for its position.
Status JsonRowDecoder::State::Learn(std::size_t position, Fields* fields, int* column) {
  std::string_view name(text + *at, at[1] - *at);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  if (name.size() < 2 || name.back() != '"') return NotJson("a name is not closed");
  name = name.substr(1, name.size() - 2);
  const bool plain = name.find('\\') == std::string_view::npos;
  if (!plain) {
    if (!Unescape(name, &unescaped)) return NotJson("a name has an escape that is none");
    name = unescaped;
  }
  const auto found = fields->by_name.find(name);
  *column = found == fields->by_name.end() ? kUnwanted : found->second;
  if (!plain || name.size() > kMaxRememberedName || position >= kMaxRemembered) return Status::OK();
  if (fields->positions.size() <= position) fields->positions.resize(position + 1);
  fields->positions[position] = {std::string(name) + '"', *column};
  return Status::OK();
}

/// Steps over a value; what is inside is only counted.
Status JsonRowDecoder::State::Skip() {
  char c = text[*at++];
  if (__builtin_expect(c == '}' || c == ']' || c == ',' || c == ':', 0)) return NotJson("a value is missing");
  if (c != '{' && c != '[') return Status::OK();
  for (std::int64_t open = 1; open > 0;) {
    if (at >= end) return CutOff();
    c = text[*at++];
    if (c == '{' || c == '[')
      ++open;
    else if (c == '}' || c == ']')
      --open;
  }
  return Status::OK();
}

Status JsonRowDecoder::State::Value(ColumnBuilder* column, Fields* inside) {
  if (__builtin_expect(at >= end, 0)) return CutOff();
  const char first = Here();
  switch (first) {
    case '"':
      if (column->kind() == Kind::kValue) return AnyValue(column);
      return Text(TakeToken(), column);
    case 'n':
      return Null(column);
    case '{':
    case '[':
      if (column->kind() == Kind::kValue) return AnyValue(column);
      if (column->kind() == Kind::kList && first == '[') return List(column, inside);
      if (column->kind() != Kind::kStruct || first != '{') return DoesNotFit(*column, first == '{' ? "an object" : "an array");
      ++at;
      HR_RETURN_NOT_OK(Object(inside, &column->children()));
      column->CloseStruct();
      return Status::OK();
    case 't':
    case 'f': {
      if (column->kind() == Kind::kValue) return AnyValue(column);
      const std::string_view token = TakeToken();
      if (token != "true" && token != "false") return NotJson(ShownValue(token) + " is no value");
      if (column->kind() != Kind::kBool) return DoesNotFit(*column, token);
      column->AppendBool(first == 't');
      return Status::OK();
    }
    case '}':
    case ']':
    case ',':
    case ':':
      return NotJson("a value is missing");
    default:
      return column->kind() == Kind::kValue ? AnyValue(column) : Number(TakeToken(), column);
  }
}

Status JsonRowDecoder::State::List(ColumnBuilder* column, Fields* inside) {
  ++at;
  if (at < end && Here() == ']') {
    ++at;
    column->CloseList();
    return Status::OK();
  }
  while (true) {
    HR_RETURN_NOT_OK(Value(&column->items(), inside));
    if (at >= end) return CutOff();
    const char next = text[*at++];
    if (next == ',') continue;
    if (next != ']') return NotJson("a comma is missing");
    column->CloseList();
    return Status::OK();
  }
}

Status JsonRowDecoder::State::Null(ColumnBuilder* column) {
  const std::string_view token = TakeToken();
  if (token != "null") return NotJson(ShownValue(token) + " is no value");
  if (column->kind() == Kind::kValue) return column->AppendBytes(std::string_view("\0", 1)) ? Status::OK() : DoesNotFit(*column, "null");
  if (!column->nullable()) return NullRefused(*column, /*absent=*/false);
  column->AppendNull();
  return Status::OK();
}

Status JsonRowDecoder::State::Text(std::string_view token, ColumnBuilder* column) {
  if (token.size() < 2 || token.back() != '"') return NotJson("a string is not closed");
  std::string_view value = token.substr(1, token.size() - 2);
  if (has_escapes && std::memchr(value.data(), '\\', value.size()) != nullptr) {
    if (!Unescape(value, &unescaped)) return NotJson("a string has an escape that is none");
    value = unescaped;
  }
  const bool fits = column->kind() == Kind::kText ? column->AppendBytes(value) : column->kind() != Kind::kBool && column->AppendText(value);
  return fits ? Status::OK() : DoesNotFit(*column, token);
}

Status JsonRowDecoder::State::Number(std::string_view token, ColumnBuilder* column) {
  std::int64_t whole = 0;
  const bool plain = PlainInteger(token, &whole);
  if (!plain && !IsNumber(token)) return NotJson(ShownValue(token) + " is no value");
  bool fits = false;
  switch (column->kind()) {
    case Kind::kInt64:
      if (__builtin_expect(plain, 1)) {
        column->AppendInt64(whole);
        return Status::OK();
      }
      [[fallthrough]];
    case Kind::kInt8:
    case Kind::kInt16:
    case Kind::kInt32:
    case Kind::kUint8:
    case Kind::kUint16:
    case Kind::kUint32:
    case Kind::kUint64:
      fits =
          plain ? column->AppendInteger(whole) : column->AppendText(token) || (WholeFloat(token, &whole) && column->AppendInteger(whole));
      break;
    case Kind::kFloat32:
    case Kind::kFloat64:
    case Kind::kDecimal:
      fits = column->AppendText(token);
      break;
    case Kind::kDate:
      fits = plain && column->AppendTicks(whole);
      break;
    case Kind::kTimestamp:
    case Kind::kDuration:
    case Kind::kTime:
      fits = (plain || WholeFloat(token, &whole)) && column->AppendTicks(whole, 1000);
      break;
    default:
      break;
  }
  return fits ? Status::OK() : DoesNotFit(*column, token);
}

Status JsonRowDecoder::State::AnyValue(ColumnBuilder* column) {
  const std::uint32_t start = *at;
  HR_RETURN_NOT_OK(Skip());
  const std::string_view raw(text + start, (at < end ? *at : size) - start);
  encoded.clear();
  HR_RETURN_NOT_OK(values.Append(raw, &encoded));
  return column->AppendBytes(encoded) ? Status::OK() : DoesNotFit(*column, raw);
}

}  // namespace headrace::data::format
