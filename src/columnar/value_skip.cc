#include <vector>

#include "columnar/value_cursor.h"

namespace headrace::columnar {

Status SkipValue(ValueCursor* cursor) {
  struct Level {
    std::uint64_t left;
    bool named;
  };
  std::vector<Level> levels{{1, false}};
  while (!levels.empty()) {
    if (levels.back().left == 0) {
      levels.pop_back();
      continue;
    }
    if (levels.size() > static_cast<std::size_t>(kMaxValueDepth) + 1) return cursor->Fail("nested too deep");
    --levels.back().left;
    if (levels.back().named) {
      std::string_view name;
      HR_RETURN_NOT_OK(cursor->ReadName(&name));
    }
    ValueToken token;
    HR_RETURN_NOT_OK(cursor->Next(&token));
    switch (token.tag) {
      case ValueTag::kTuple:
      case ValueTag::kList:
      case ValueTag::kSet:
      case ValueTag::kFrozenSet:
        levels.push_back({token.items, false});
        break;
      case ValueTag::kDict:
        levels.push_back({2 * token.items, false});
        break;
      case ValueTag::kDataclass:
        levels.push_back({token.items, true});
        break;
      default:
        break;
    }
  }
  return Status::OK();
}

}  // namespace headrace::columnar
