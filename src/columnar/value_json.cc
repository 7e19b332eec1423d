#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"
#include "columnar/value_text.h"

namespace headrace::columnar {
namespace {

void AppendClock(std::int64_t us_of_day, std::string* out) {
  const ClockTime t = ClockFromUs(us_of_day);
  fmt::format_to(std::back_inserter(*out), "{:02}:{:02}:{:02}", t.hour, t.minute, t.second);
  if (t.microsecond != 0) fmt::format_to(std::back_inserter(*out), ".{:06}", t.microsecond);
}

void AppendDate(std::int64_t days, std::string* out) {
  const CivilDate date = CivilFromDays(days);
  fmt::format_to(std::back_inserter(*out), "{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

void AppendDatetime(std::int64_t local_us, std::string* out) {
  std::int64_t days = 0, us_of_day = 0;
  SplitDays(local_us, &days, &us_of_day);
  AppendDate(days, out);
  out->push_back('T');
  AppendClock(us_of_day, out);
}

void AppendUtcOffset(std::int32_t seconds, std::string* out) {
  const int size = std::abs(seconds);
  fmt::format_to(std::back_inserter(*out), "{}{:02}:{:02}", seconds < 0 ? '-' : '+', size / 3600, size / 60 % 60);
  if (size % 60 != 0) fmt::format_to(std::back_inserter(*out), ":{:02}", size % 60);
}

/// ISO 8601 duration in seconds: PT1.5S, -PT0.000001S.
void AppendDuration(std::int64_t us, std::string* out) {
  const std::uint64_t size = us < 0 ? 0 - static_cast<std::uint64_t>(us) : static_cast<std::uint64_t>(us);
  fmt::format_to(std::back_inserter(*out), "{}PT{}", us < 0 ? "-" : "", size / 1'000'000);
  if (size % 1'000'000 != 0) {
    fmt::format_to(std::back_inserter(*out), ".{:06}", size % 1'000'000);
    while (out->back() == '0') out->pop_back();
  }
  out->push_back('S');
}

void AppendScalar(const ValueToken& token, std::string* out) {
  switch (token.tag) {
    case ValueTag::kFalse:
      out->append("false");
      return;
    case ValueTag::kTrue:
      out->append("true");
      return;
    case ValueTag::kInt:
      fmt::format_to(std::back_inserter(*out), "{}", token.integer);
      return;
    case ValueTag::kBigInt: {
      const std::string digits = BigIntText(token.bytes);
      if (digits.find('x') != std::string::npos)
        AppendJsonString(digits, out);
      else
        out->append(digits);
      return;
    }
    case ValueTag::kFloat:
      if (std::isfinite(token.real))
        AppendShortestFloat(token.real, out);
      else
        out->append("null");
      return;
    case ValueTag::kString:
    case ValueTag::kDecimal:
      AppendJsonString(token.bytes, out);
      return;
    case ValueTag::kPickle:
      fmt::format_to(std::back_inserter(*out), "\"<pickled, {} bytes>\"", token.bytes.size());
      return;
    default:
      break;
  }
  if (token.tag == ValueTag::kNone) {
    out->append("null");
    return;
  }
  out->push_back('"');
  switch (token.tag) {
    case ValueTag::kBytes:
      AppendBase64(token.bytes, out);
      break;
    case ValueTag::kAwareDatetime:
      AppendDatetime(token.integer + std::int64_t{1'000'000} * token.utc_offset_seconds, out);
      AppendUtcOffset(token.utc_offset_seconds, out);
      break;
    case ValueTag::kNaiveDatetime:
      AppendDatetime(token.integer, out);
      break;
    case ValueTag::kDate:
      AppendDate(token.integer, out);
      break;
    case ValueTag::kTime:
      AppendClock(token.integer, out);
      break;
    case ValueTag::kTimedelta:
      AppendDuration(token.integer, out);
      break;
    default:
      AppendUuidText(token.bytes, out);
      break;
  }
  out->push_back('"');
}

Status AppendOne(ValueCursor* cursor, int depth, bool in_key, std::string* out);

/// JSON knows text keys only: other keys become the text of their own JSON.
Status AppendDictKey(ValueCursor* cursor, int depth, std::string* out) {
  const std::size_t before = out->size();
  HR_RETURN_NOT_OK(AppendOne(cursor, depth, /*in_key=*/true, out));
  if ((*out)[before] == '"') return Status::OK();
  const std::string text = out->substr(before);
  out->resize(before);
  AppendJsonString(text, out);
  return Status::OK();
}

Status AppendOne(ValueCursor* cursor, int depth, bool in_key, std::string* out) {
  ValueToken token;
  HR_RETURN_NOT_OK(cursor->Next(&token));
  const bool object = token.tag == ValueTag::kDict || token.tag == ValueTag::kDataclass;
  const bool array =
      token.tag == ValueTag::kTuple || token.tag == ValueTag::kList || token.tag == ValueTag::kSet || token.tag == ValueTag::kFrozenSet;
  if (!object && !array) {
    AppendScalar(token, out);
    return Status::OK();
  }
  // Each level of keys inside keys would double the escapes.
  if (in_key && token.tag == ValueTag::kDict) return cursor->Fail("a dict inside the key of a dict has no JSON form");
  if (depth >= kMaxValueDepth) return cursor->Fail("nested deeper than 100");
  out->push_back(object ? '{' : '[');
  for (std::uint64_t i = 0; i < token.items; ++i) {
    if (i > 0) out->push_back(',');
    if (token.tag == ValueTag::kDataclass) {
      std::string_view name;
      HR_RETURN_NOT_OK(cursor->ReadName(&name));
      AppendJsonString(name, out);
    } else if (object) {
      HR_RETURN_NOT_OK(AppendDictKey(cursor, depth + 1, out));
    }
    if (object) out->push_back(':');
    HR_RETURN_NOT_OK(AppendOne(cursor, depth + 1, in_key, out));
  }
  out->push_back(object ? '}' : ']');
  return Status::OK();
}

}  // namespace

Status AppendJson(std::string_view value_bytes, std::string* out) {
  ValueCursor cursor(value_bytes);
  const std::size_t before = out->size();
  Status status = AppendOne(&cursor, 0, false, out);
  if (status.ok() && !cursor.at_end()) status = cursor.Fail("bytes follow the value");
  if (!status.ok()) out->resize(before);
  return status;
}

}  // namespace headrace::columnar
