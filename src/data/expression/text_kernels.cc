#include <cctype>
#include <clocale>
#include <cstdint>
#include <cwctype>
#include <string>
#include <string_view>

#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::Function;

namespace {

const std::string_view* TextOf(const Frame& frame, int reg) {
  return frame.registers[static_cast<std::size_t>(reg)].as<std::string_view>();
}
const std::int64_t* IntsOf(const Frame& frame, int reg) { return frame.registers[static_cast<std::size_t>(reg)].as<std::int64_t>(); }

bool Good(const std::uint8_t* flaws, std::int64_t i) { return flaws == nullptr || flaws[i] == kNone; }

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::int64_t Characters(std::string_view text) {
  std::int64_t count = 0;
  for (const char c : text) count += !IsContinuation(c);
  return count;
}

/// Byte where character `index` begins; size() behind the last one.
std::size_t ByteOf(std::string_view text, std::int64_t index) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (IsContinuation(text[at])) continue;
    if (index-- == 0) break;
  }
  return at;
}

/// One code point of valid UTF-8.
char32_t Decode(std::string_view text, std::size_t* at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte((*at)++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t code = first & (0x3F >> more);
  for (int i = 0; i < more && *at < text.size(); ++i) code = code << 6 | (byte((*at)++) & 0x3F);
  return code;
}

void Encode(char32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  if (code >= 0x10000) out->push_back(static_cast<char>(0xF0 | code >> 18));
  if (code >= 0x800) out->push_back(static_cast<char>(code >= 0x10000 ? 0x80 | (code >> 12 & 0x3F) : 0xE0 | code >> 12));
  out->push_back(static_cast<char>(code >= 0x800 ? 0x80 | (code >> 6 & 0x3F) : 0xC0 | code >> 6));
  out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

/// Case of letters outside ASCII as the C library's UTF-8 locale has it, whatever the process's own locale.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

template <bool kUpper>
void Case(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    bool ascii = true, changes = false;
    for (const char c : a[i]) {
      ascii = ascii && static_cast<unsigned char>(c) < 0x80;
      changes = changes || (kUpper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z');
    }
    if (ascii && !changes) {
      out[i] = a[i];
      continue;
    }
    std::string* made = frame.NewText();
    if (ascii) {
      for (const char c : a[i])
        made->push_back(static_cast<char>(kUpper ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c)));
    } else {
      for (std::size_t at = 0; at < a[i].size();) {
        const char32_t code = Decode(a[i], &at);
        Encode(static_cast<char32_t>(kUpper ? towupper_l(static_cast<wint_t>(code), Utf8Locale())
                                            : towlower_l(static_cast<wint_t>(code), Utf8Locale())),
               made);
      }
    }
    out[i] = *made;
  }
}

void Length(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const bool bytes = instruction.number == 1;
  for (std::int64_t i = 0; i < frame.rows; ++i)
    out[i] = !Good(flaws, i) ? 0 : bytes ? static_cast<std::int64_t>(a[i].size()) : Characters(a[i]);
}

template <typename Op>
void Test(const Instruction& instruction, Frame& frame, Op op) {
  const std::string_view *a = TextOf(frame, instruction.a), *b = TextOf(frame, instruction.b);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = Good(flaws, i) && op(a[i], b[i]);
}

void Concat(const Instruction& instruction, Frame& frame) {
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    std::string* made = frame.NewText();
    for (const int input : instruction.more) made->append(TextOf(frame, input)[i]);
    out[i] = *made;
  }
}

void Substring(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  const std::int64_t* starts = IntsOf(frame, instruction.b);
  const std::int64_t* lengths = instruction.c < 0 ? nullptr : IntsOf(frame, instruction.c);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    if (lengths != nullptr && lengths[i] < 0) {
      flaws = EnsureFlaws(instruction, frame);
      flaws[i] = instruction.or_null ? kNull : kBadArgument;
      continue;
    }
    std::int64_t start = starts[i];
    if (start < 0) {
      const std::int64_t characters = Characters(a[i]);
      start = start < -characters ? 0 : characters + start;
    }
    const std::string_view rest = a[i].substr(ByteOf(a[i], start));
    out[i] = lengths == nullptr ? rest : rest.substr(0, ByteOf(rest, lengths[i]));
  }
}

void Trim(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    std::string_view text = Good(flaws, i) ? a[i] : std::string_view();
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    out[i] = text;
  }
}

void Replace(const Instruction& instruction, Frame& frame) {
  const std::string_view *a = TextOf(frame, instruction.a), *old = TextOf(frame, instruction.b), *with = TextOf(frame, instruction.c);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    out[i] = a[i];
    std::size_t found = old[i].empty() ? std::string_view::npos : a[i].find(old[i]);
    if (found == std::string_view::npos) continue;
    std::string* made = frame.NewText();
    std::size_t from = 0;
    for (; found != std::string_view::npos; found = a[i].find(old[i], from)) {
      made->append(a[i].substr(from, found - from)).append(with[i]);
      from = found + old[i].size();
    }
    made->append(a[i].substr(from));
    out[i] = *made;
  }
}

void SplitPart(const Instruction& instruction, Frame& frame) {
  const std::string_view *a = TextOf(frame, instruction.a), *separator = TextOf(frame, instruction.b);
  const std::int64_t* indices = IntsOf(frame, instruction.c);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  CombineFlaws(instruction, frame);
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (flaws[i] != kNone) continue;
    std::string_view rest = a[i];
    std::int64_t part = indices[i];
    for (; part > 0; --part) {
      const std::size_t found = separator[i].empty() ? std::string_view::npos : rest.find(separator[i]);
      if (found == std::string_view::npos) break;
      rest.remove_prefix(found + separator[i].size());
    }
    if (part != 0) {
      flaws[i] = kNull;
      continue;
    }
    out[i] = rest.substr(0, separator[i].empty() ? std::string_view::npos : rest.find(separator[i]));
  }
}

}  // namespace

Kernel TextKernel(Function function) {
  switch (function) {
    case Function::kLower:
      return Case<false>;
    case Function::kUpper:
      return Case<true>;
    case Function::kLength:
      return Length;
    case Function::kConcat:
      return Concat;
    case Function::kSubstring:
      return Substring;
    case Function::kTrim:
      return Trim;
    case Function::kReplace:
      return Replace;
    case Function::kSplitPart:
      return SplitPart;
    case Function::kStartsWith:
      return [](const Instruction& i, Frame& f) { Test(i, f, [](std::string_view a, std::string_view b) { return a.starts_with(b); }); };
    case Function::kEndsWith:
      return [](const Instruction& i, Frame& f) { Test(i, f, [](std::string_view a, std::string_view b) { return a.ends_with(b); }); };
    case Function::kContains:
      return [](const Instruction& i, Frame& f) {
        Test(i, f, [](std::string_view a, std::string_view b) { return a.find(b) != std::string_view::npos; });
      };
    default:
      return nullptr;
  }
}

}  // namespace headrace::data::expression
