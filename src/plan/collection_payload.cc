#include "plan/collection_payload.h"

#include <cstdint>
#include <vector>

#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"

namespace headrace::plan {
namespace {

using columnar::ValueTag;

/// A container whose items are still to come. Dicts count a pair as two; dataclass fields have a name before each value.
struct Open {
  std::uint64_t left = 0;
  bool named = false;
};

bool IsContainer(ValueTag tag) {
  return tag == ValueTag::kTuple || tag == ValueTag::kList || tag == ValueTag::kDict || tag == ValueTag::kSet ||
         tag == ValueTag::kFrozenSet || tag == ValueTag::kDataclass;
}

}  // namespace

Status CheckCollectionPayload(std::string_view payload) {
  if (payload.empty() || static_cast<ValueTag>(payload[0]) != ValueTag::kList) return Status::Invalid("not a list");
  columnar::ValueCursor cursor(payload);
  std::vector<Open> open = {{1, false}};
  while (!open.empty()) {
    if (open.back().left == 0) {
      open.pop_back();
      continue;
    }
    --open.back().left;
    std::string_view name;
    if (open.back().named) HR_RETURN_NOT_OK(cursor.ReadName(&name));
    columnar::ValueToken token;
    HR_RETURN_NOT_OK(cursor.Next(&token));
    if (!IsContainer(token.tag)) continue;
    if (open.size() > static_cast<std::size_t>(columnar::kMaxValueDepth)) return cursor.Fail("values are nested too deeply");
    open.push_back({token.tag == ValueTag::kDict ? token.items * 2 : token.items, token.tag == ValueTag::kDataclass});
  }
  return cursor.at_end() ? Status::OK() : cursor.Fail("bytes follow the value");
}

}  // namespace headrace::plan
