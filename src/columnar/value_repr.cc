#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"
#include "columnar/value_text.h"

namespace headrace::columnar {
namespace {

/// Writes reprs until the text is longer than asked for; what is left is then not looked at.
class ReprWriter {
 public:
  ReprWriter(std::string_view bytes, std::size_t max_chars) : cursor_(bytes), max_bytes_(max_chars * 4 + 16) {}
  Status Write() { return WriteOne(0); }
  bool full() const { return out_.size() > max_bytes_; }
  std::string TakeText() { return std::move(out_); }

 private:
  template <typename... Args>
  void Put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  void PutQuoted(std::string_view text, bool escape_high) {
    const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
    out_.push_back(quote);
    for (char c : text) {
      if (full()) break;
      const auto byte = static_cast<unsigned char>(c);
      if (c == quote || c == '\\')
        Put("\\{}", c);
      else if (c == '\n')
        out_.append("\\n");
      else if (c == '\r')
        out_.append("\\r");
      else if (c == '\t')
        out_.append("\\t");
      else if (byte < 0x20 || byte == 0x7F || (escape_high && byte >= 0x80))
        Put("\\x{:02x}", byte);
      else
        out_.push_back(c);
    }
    out_.push_back(quote);
  }
  void PutDate(std::int64_t days) {
    const CivilDate date = CivilFromDays(days);
    Put("{}, {}, {}", date.year, date.month, date.day);
  }
  void PutClock(std::int64_t us_of_day) {
    const ClockTime t = ClockFromUs(us_of_day);
    Put("{}, {}", t.hour, t.minute);
    if (t.second != 0 || t.microsecond != 0) Put(", {}", t.second);
    if (t.microsecond != 0) Put(", {}", t.microsecond);
  }
  void PutTimedelta(std::int64_t us);
  void PutDatetime(const ValueToken& token);
  void PutFloat(double value) {
    if (std::isnan(value))
      out_.append("nan");
    else if (std::isinf(value))
      out_.append(value < 0 ? "-inf" : "inf");
    else
      AppendShortestFloat(value, &out_);
  }
  void WriteScalar(const ValueToken& token);
  Status WriteItems(const ValueToken& token, int depth, std::string_view open, std::string_view close);
  Status WriteOne(int depth);

  ValueCursor cursor_;
  std::size_t max_bytes_;
  std::string out_;
};

void ReprWriter::PutTimedelta(std::int64_t us) {
  std::int64_t days = 0, us_of_day = 0;
  SplitDays(us, &days, &us_of_day);
  std::string_view separator;
  out_.append("datetime.timedelta(");
  auto part = [&](const char* name, std::int64_t value) {
    if (value == 0) return;
    Put("{}{}={}", separator, name, value);
    separator = ", ";
  };
  part("days", days);
  part("seconds", us_of_day / 1'000'000);
  part("microseconds", us_of_day % 1'000'000);
  out_.append(separator.empty() ? "0)" : ")");
}

void ReprWriter::PutDatetime(const ValueToken& token) {
  std::int64_t days = 0, us_of_day = 0;
  SplitDays(token.integer + std::int64_t{1'000'000} * token.utc_offset_seconds, &days, &us_of_day);
  out_.append("datetime.datetime(");
  PutDate(days);
  out_.append(", ");
  PutClock(us_of_day);
  if (token.tag == ValueTag::kAwareDatetime) {
    out_.append(", tzinfo=datetime.timezone");
    if (token.utc_offset_seconds == 0) {
      out_.append(".utc");
    } else {
      out_.push_back('(');
      PutTimedelta(std::int64_t{1'000'000} * token.utc_offset_seconds);
      out_.push_back(')');
    }
  }
  out_.push_back(')');
}

void ReprWriter::WriteScalar(const ValueToken& token) {
  switch (token.tag) {
    case ValueTag::kNone:
      out_.append("None");
      break;
    case ValueTag::kFalse:
      out_.append("False");
      break;
    case ValueTag::kTrue:
      out_.append("True");
      break;
    case ValueTag::kInt:
      Put("{}", token.integer);
      break;
    case ValueTag::kBigInt:
      out_.append(BigIntText(token.bytes));
      break;
    case ValueTag::kFloat:
      PutFloat(token.real);
      break;
    case ValueTag::kString:
      PutQuoted(token.bytes, false);
      break;
    case ValueTag::kBytes:
      out_.push_back('b');
      PutQuoted(token.bytes, true);
      break;
    case ValueTag::kDecimal:
      Put("Decimal('{}')", token.bytes.substr(0, max_bytes_));
      break;
    case ValueTag::kDate:
      out_.append("datetime.date(");
      PutDate(token.integer);
      out_.push_back(')');
      break;
    case ValueTag::kTime:
      out_.append("datetime.time(");
      PutClock(token.integer);
      out_.push_back(')');
      break;
    case ValueTag::kTimedelta:
      PutTimedelta(token.integer);
      break;
    case ValueTag::kAwareDatetime:
    case ValueTag::kNaiveDatetime:
      PutDatetime(token);
      break;
    case ValueTag::kUuid:
      out_.append("UUID('");
      AppendUuidText(token.bytes, &out_);
      out_.append("')");
      break;
    default:
      Put("<pickled, {} bytes>", token.bytes.size());
      break;
  }
}

Status ReprWriter::WriteItems(const ValueToken& token, int depth, std::string_view open, std::string_view close) {
  out_.append(open);
  for (std::uint64_t i = 0; i < token.items && !full(); ++i) {
    if (i > 0) out_.append(", ");
    if (token.tag == ValueTag::kDataclass) {
      std::string_view name;
      HR_RETURN_NOT_OK(cursor_.ReadName(&name));
      Put("{}=", name.substr(0, max_bytes_));
    } else if (token.tag == ValueTag::kDict) {
      HR_RETURN_NOT_OK(WriteOne(depth + 1));
      out_.append(": ");
      if (full()) break;
    }
    HR_RETURN_NOT_OK(WriteOne(depth + 1));
  }
  if (token.tag == ValueTag::kTuple && token.items == 1) out_.push_back(',');
  out_.append(close);
  return Status::OK();
}

Status ReprWriter::WriteOne(int depth) {
  ValueToken token;
  HR_RETURN_NOT_OK(cursor_.Next(&token));
  if (depth > kMaxValueDepth) return cursor_.Fail("nested deeper than 100");
  switch (token.tag) {
    case ValueTag::kTuple:
      return WriteItems(token, depth, "(", ")");
    case ValueTag::kList:
      return WriteItems(token, depth, "[", "]");
    case ValueTag::kDict:
      return WriteItems(token, depth, "{", "}");
    case ValueTag::kSet:
      return token.items == 0 ? WriteItems(token, depth, "set(", ")") : WriteItems(token, depth, "{", "}");
    case ValueTag::kFrozenSet:
      return token.items == 0 ? WriteItems(token, depth, "frozenset(", ")") : WriteItems(token, depth, "frozenset({", "})");
    case ValueTag::kDataclass: {
      const std::string_view name = token.bytes.substr(token.bytes.find(':') + 1);
      out_.append(name.substr(0, max_bytes_));
      return WriteItems(token, depth, "(", ")");
    }
    default:
      WriteScalar(token);
      return Status::OK();
  }
}

/// Cuts to `max_chars` characters, the last of them an ellipsis.
std::string Shorten(std::string text, std::size_t max_chars) {
  std::size_t chars = 0, keep = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (chars + 1 == max_chars) keep = i;
    if (chars++ == max_chars) {
      text.resize(keep);
      return text + "…";
    }
  }
  return text;
}

}  // namespace

std::string ReprOf(std::string_view value_bytes, std::size_t max_chars) {
  ReprWriter writer(value_bytes, max_chars);
  const Status status = writer.Write();
  if (!status.ok()) return Shorten("<" + status.message() + ">", max_chars);
  return Shorten(writer.TakeText(), max_chars);
}

}  // namespace headrace::columnar
