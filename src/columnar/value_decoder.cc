#include <algorithm>

#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

// Room for items is taken in steps, so that a count alone cannot ask for much memory.
constexpr std::uint64_t kMaxReservedItems = 256;

Status DecodeOne(ValueCursor* cursor, int depth, Value* out) {
  ValueToken token;
  HR_RETURN_NOT_OK(cursor->Next(&token));
  out->tag = token.tag;
  out->integer = token.integer;
  out->real = token.real;
  out->utc_offset_seconds = token.utc_offset_seconds;
  out->text = token.tag == ValueTag::kBigInt ? BigIntText(token.bytes) : std::string(token.bytes);
  switch (token.tag) {
    case ValueTag::kTuple:
    case ValueTag::kList:
    case ValueTag::kSet:
    case ValueTag::kFrozenSet:
    case ValueTag::kDict:
    case ValueTag::kDataclass:
      break;
    default:
      return Status::OK();
  }
  if (depth >= kMaxValueDepth) return cursor->Fail("nested deeper than 100");
  const bool pairs = token.tag == ValueTag::kDict || token.tag == ValueTag::kDataclass;
  out->items.reserve(static_cast<std::size_t>(std::min(token.items, kMaxReservedItems) * (pairs ? 2 : 1)));
  for (std::uint64_t i = 0; i < token.items; ++i) {
    if (token.tag == ValueTag::kDataclass) {
      std::string_view name;
      HR_RETURN_NOT_OK(cursor->ReadName(&name));
      Value& field = out->items.emplace_back();
      field.tag = ValueTag::kString;
      field.text = name;
    } else if (pairs) {
      HR_RETURN_NOT_OK(DecodeOne(cursor, depth + 1, &out->items.emplace_back()));
    }
    HR_RETURN_NOT_OK(DecodeOne(cursor, depth + 1, &out->items.emplace_back()));
  }
  return Status::OK();
}

}  // namespace

Result<Value> DecodeValue(std::string_view bytes) {
  ValueCursor cursor(bytes);
  Value value;
  HR_RETURN_NOT_OK(DecodeOne(&cursor, 0, &value));
  if (!cursor.at_end()) return cursor.Fail("bytes follow the value");
  return value;
}

}  // namespace headrace::columnar
