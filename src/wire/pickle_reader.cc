#include "wire/pickle_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wire/pickle_opcode.h"

namespace headrace::wire {
namespace {

constexpr std::size_t kMaxOpcodes = 1'000'000;
constexpr std::uint32_t kMaxDepth = 200;
constexpr int kOldestProtocol = 3, kNewestProtocol = 5;
constexpr std::string_view kModule = "headrace.job_graph";
constexpr std::string_view kClass = "JobGraph";

/// What the machine remembers of one value. Contents of containers are checked and dropped.
struct Item {
  enum class Kind : std::uint8_t { kOther, kText, kBytes, kTuple, kTupleOfBytes, kDict, kMark, kGlobal, kJobGraph } kind = Kind::kOther;
  std::uint32_t depth = 0;
  std::string_view bytes;  ///< kText, kBytes, kTupleOfBytes, kJobGraph
};
using Kind = Item::Kind;

/// Text from the file inside a message: printable ASCII only, at most 60 characters.
std::string Shown(std::string_view text) {
  std::string shown;
  for (char c : text.substr(0, 60)) shown += c >= 0x20 && c < 0x7F ? c : '?';
  return text.size() > 60 ? shown + "..." : shown;
}

class PickleMachine {
 public:
  explicit PickleMachine(std::string_view input) : input_(input) {}

  Result<std::string_view> Run() {
    HR_RETURN_NOT_OK(ReadProtocol());
    for (std::size_t count = 1;; ++count) {
      start_ = at_;
      if (at_ == input_.size()) return NotAJobFile(fmt::format("the pickle ends at offset {} without STOP", at_));
      if (count >= kMaxOpcodes) return NotAJobFile(fmt::format("more than {} opcodes, at offset {}", kMaxOpcodes, at_));
      opcode_ = static_cast<std::uint8_t>(input_[at_++]);
      if (static_cast<PickleOpcode>(opcode_) == PickleOpcode::kStop) return Finish();
      HR_RETURN_NOT_OK(Step());
    }
  }

 private:
  static Status NotAJobFile(std::string what) { return Error(ErrorCode::kNotAJobFile, "not a Headrace job file: " + what); }
  Status Refuse(std::string_view what) const { return NotAJobFile(fmt::format("opcode {} at offset {} {}", Name(opcode_), start_, what)); }
  static std::string Name(std::uint8_t opcode) {
    const std::string_view name = PickleOpcodeName(opcode);
    return name.empty() ? fmt::format("0x{:02x}", opcode) : std::string(name);
  }

  Status ReadProtocol() {
    if (input_.empty()) return NotAJobFile("the file is empty");
    if (static_cast<PickleOpcode>(static_cast<std::uint8_t>(input_[0])) != PickleOpcode::kProto) {
      return NotAJobFile(
          fmt::format("byte 0x{:02x} at offset 0 does not begin a pickle of protocol 3 or later", static_cast<std::uint8_t>(input_[0])));
    }
    if (input_.size() < 2) return NotAJobFile("the pickle ends inside opcode PROTO at offset 0");
    const int protocol = static_cast<std::uint8_t>(input_[1]);
    if (protocol < kOldestProtocol)
      return NotAJobFile(fmt::format("opcode PROTO at offset 0 says pickle protocol {}; use protocol 3 or later", protocol));
    if (protocol > kNewestProtocol)
      return NotAJobFile(fmt::format("opcode PROTO at offset 0 says pickle protocol {}; use protocol 3, 4 or 5", protocol));
    at_ = 2;
    return Status::OK();
  }

  Status Step() {
    switch (static_cast<PickleOpcode>(opcode_)) {
      case PickleOpcode::kNone:
      case PickleOpcode::kNewTrue:
      case PickleOpcode::kNewFalse:
        return Push({});
      case PickleOpcode::kBinInt1:
        return PushFixed(1);
      case PickleOpcode::kBinInt2:
        return PushFixed(2);
      case PickleOpcode::kBinInt:
        return PushFixed(4);
      case PickleOpcode::kBinFloat:
        return PushFixed(8);
      case PickleOpcode::kLong1:
        return PushCounted(1, Kind::kOther);
      case PickleOpcode::kLong4:
        return PushCounted(4, Kind::kOther);
      case PickleOpcode::kShortBinUnicode:
        return PushCounted(1, Kind::kText);
      case PickleOpcode::kBinUnicode:
        return PushCounted(4, Kind::kText);
      case PickleOpcode::kBinUnicode8:
        return PushCounted(8, Kind::kText);
      case PickleOpcode::kShortBinBytes:
        return PushCounted(1, Kind::kBytes);
      case PickleOpcode::kBinBytes:
        return PushCounted(4, Kind::kBytes);
      case PickleOpcode::kBinBytes8:
        return PushCounted(8, Kind::kBytes);
      case PickleOpcode::kMark:
        return Push({Kind::kMark, 0, {}});
      case PickleOpcode::kEmptyTuple:
        return Push({Kind::kTuple, 1, {}});
      case PickleOpcode::kTuple1:
        return MakeTuple(1);
      case PickleOpcode::kTuple2:
        return MakeTuple(2);
      case PickleOpcode::kTuple3:
        return MakeTuple(3);
      case PickleOpcode::kTuple:
        return MarkedTuple();
      case PickleOpcode::kEmptyDict:
        return Push({Kind::kDict, 1, {}});
      case PickleOpcode::kDict:
        return MarkedDict();
      case PickleOpcode::kSetItem:
        return SetItems(2);
      case PickleOpcode::kSetItems:
        return MarkedSetItems();
      case PickleOpcode::kBinGet:
        return Get(1);
      case PickleOpcode::kLongBinGet:
        return Get(4);
      case PickleOpcode::kBinPut:
        return Put(1);
      case PickleOpcode::kLongBinPut:
        return Put(4);
      case PickleOpcode::kMemoize:
        return Remember(memo_.size());
      case PickleOpcode::kFrame:
        return SkipFrameHeader();
      case PickleOpcode::kGlobal:
        return Global();
      case PickleOpcode::kStackGlobal:
        return StackGlobal();
      case PickleOpcode::kReduce:
        return Reduce();
      case PickleOpcode::kProto:
        return Refuse("stands a second time");
      default:
        return Refuse("has no place in one");
    }
  }

  // Reading.
  Status Take(std::uint64_t size, std::string_view* bytes) {
    if (size > input_.size() - at_) return NotAJobFile(fmt::format("the pickle ends inside opcode {} at offset {}", Name(opcode_), start_));
    *bytes = input_.substr(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return Status::OK();
  }
  Status TakeNumber(std::size_t width, std::uint64_t* number) {
    std::string_view bytes;
    HR_RETURN_NOT_OK(Take(width, &bytes));
    *number = 0;
    for (std::size_t i = 0; i < width; ++i) *number |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
    return Status::OK();
  }
  Status TakeLine(std::string_view* line) {
    const std::size_t end = input_.find('\n', at_);
    if (end == std::string_view::npos)
      return NotAJobFile(fmt::format("the pickle ends inside opcode {} at offset {}", Name(opcode_), start_));
    *line = input_.substr(at_, end - at_);
    at_ = end + 1;
    return Status::OK();
  }
  Status SkipFrameHeader() {
    std::uint64_t size = 0;
    HR_RETURN_NOT_OK(TakeNumber(8, &size));
    if (size > input_.size() - at_) return NotAJobFile(fmt::format("the pickle ends inside opcode FRAME at offset {}", start_));
    return Status::OK();
  }

  // The stack.
  Status Push(Item item) {
    if (item.depth > kMaxDepth) return Refuse(fmt::format("nests deeper than {}", kMaxDepth));
    stack_.push_back(item);
    return Status::OK();
  }
  Status PushFixed(std::size_t width) {
    std::string_view ignored;
    HR_RETURN_NOT_OK(Take(width, &ignored));
    return Push({});
  }
  Status PushCounted(std::size_t width, Kind kind) {
    std::uint64_t size = 0;
    Item item{kind, 0, {}};
    HR_RETURN_NOT_OK(TakeNumber(width, &size));
    HR_RETURN_NOT_OK(Take(size, &item.bytes));
    return Push(item);
  }
  /// The values above the topmost mark; nothing when there is none.
  std::optional<std::size_t> ItemsAboveMark() const {
    for (std::size_t count = 0; count < stack_.size(); ++count) {
      if (stack_[stack_.size() - 1 - count].kind == Kind::kMark) return count;
    }
    return std::nullopt;
  }
  /// Are the `count` topmost entries values? Sets how deep the deepest of them is.
  bool Values(std::size_t count, std::uint32_t* deepest) const {
    *deepest = 0;
    if (stack_.size() < count) return false;
    for (std::size_t i = stack_.size() - count; i < stack_.size(); ++i) {
      if (stack_[i].kind == Kind::kMark) return false;
      *deepest = std::max(*deepest, stack_[i].depth);
    }
    return true;
  }
  Status Missing() const { return Refuse("finds nothing to work on"); }

  Status MakeTuple(std::size_t count) {
    std::uint32_t deepest = 0;
    if (!Values(count, &deepest)) return Missing();
    Item tuple{Kind::kTuple, deepest + 1, {}};
    if (count == 1 && stack_.back().kind == Kind::kBytes) tuple = {Kind::kTupleOfBytes, deepest + 1, stack_.back().bytes};
    stack_.resize(stack_.size() - count);
    return Push(tuple);
  }
  Status MarkedTuple() {
    const std::optional<std::size_t> count = ItemsAboveMark();
    if (!count) return Missing();
    stack_.erase(stack_.end() - static_cast<std::ptrdiff_t>(*count) - 1);
    return MakeTuple(*count);
  }
  Status MarkedDict() {
    const std::optional<std::size_t> count = ItemsAboveMark();
    std::uint32_t deepest = 0;
    if (!count || *count % 2 != 0 || !Values(*count, &deepest)) return Missing();
    stack_.resize(stack_.size() - *count - 1);
    return Push({Kind::kDict, deepest + 1, {}});
  }
  Status SetItems(std::size_t count) {
    std::uint32_t deepest = 0;
    if (count % 2 != 0 || !Values(count + 1, &deepest) || stack_[stack_.size() - count - 1].kind != Kind::kDict) return Missing();
    std::uint32_t inside = 0;
    Values(count, &inside);
    stack_.resize(stack_.size() - count);
    stack_.back().depth = std::max(stack_.back().depth, inside + 1);
    return stack_.back().depth > kMaxDepth ? Refuse(fmt::format("nests deeper than {}", kMaxDepth)) : Status::OK();
  }
  Status MarkedSetItems() {
    const std::optional<std::size_t> count = ItemsAboveMark();
    if (!count) return Missing();
    stack_.erase(stack_.end() - static_cast<std::ptrdiff_t>(*count) - 1);
    return SetItems(*count);
  }

  // The memo.
  Status Remember(std::uint64_t index) {
    if (stack_.empty() || stack_.back().kind == Kind::kMark) return Missing();
    memo_[index] = stack_.back();
    return Status::OK();
  }
  Status Put(std::size_t width) {
    std::uint64_t index = 0;
    HR_RETURN_NOT_OK(TakeNumber(width, &index));
    return Remember(index);
  }
  Status Get(std::size_t width) {
    std::uint64_t index = 0;
    HR_RETURN_NOT_OK(TakeNumber(width, &index));
    auto found = memo_.find(index);
    if (found == memo_.end()) return Refuse("asks for a memo entry that was never made");
    return Push(found->second);
  }

  // The one global and its one REDUCE.
  Status Global() {
    std::string_view module, name;
    HR_RETURN_NOT_OK(TakeLine(&module));
    HR_RETURN_NOT_OK(TakeLine(&name));
    return NameGlobal(module, name);
  }
  Status StackGlobal() {
    if (stack_.size() < 2 || stack_.back().kind != Kind::kText || stack_[stack_.size() - 2].kind != Kind::kText) return Missing();
    const std::string_view name = stack_.back().bytes, module = stack_[stack_.size() - 2].bytes;
    stack_.resize(stack_.size() - 2);
    return NameGlobal(module, name);
  }
  Status NameGlobal(std::string_view module, std::string_view name) {
    if (module != kModule || name != kClass)
      return Refuse(fmt::format("names {}.{}; only {}.{} is taken", Shown(module), Shown(name), kModule, kClass));
    if (has_global_) return Refuse("names a global a second time");
    has_global_ = true;
    return Push({Kind::kGlobal, 0, {}});
  }
  Status Reduce() {
    if (has_reduce_) return Refuse("stands a second time");
    if (stack_.size() < 2 || stack_[stack_.size() - 2].kind != Kind::kGlobal || stack_.back().kind != Kind::kTupleOfBytes) {
      return Refuse(fmt::format("does not build {}.{} from one bytes object", kModule, kClass));
    }
    has_reduce_ = true;
    const std::string_view argument = stack_.back().bytes;
    stack_.resize(stack_.size() - 2);
    return Push({Kind::kJobGraph, 0, argument});
  }
  Result<std::string_view> Finish() const {
    if (stack_.size() != 1 || stack_[0].kind != Kind::kJobGraph) return Refuse(fmt::format("does not leave one {}.{}", kModule, kClass));
    if (at_ != input_.size()) return NotAJobFile(fmt::format("{} bytes follow opcode STOP at offset {}", input_.size() - at_, start_));
    return stack_[0].bytes;
  }

  std::string_view input_;
  std::size_t at_ = 0, start_ = 0;
  std::uint8_t opcode_ = 0;
  std::vector<Item> stack_;
  std::unordered_map<std::uint64_t, Item> memo_;
  bool has_global_ = false, has_reduce_ = false;
};

}  // namespace

Result<std::string_view> ReadPickledJobGraph(std::string_view pickle) {
  if (pickle.size() > kMaxJobFileBytes)
    return Error(ErrorCode::kTooLarge,
                 fmt::format("the job file has {} bytes; at most {} (64 MiB) are taken", pickle.size(), kMaxJobFileBytes));
  return PickleMachine(pickle).Run();
}

}  // namespace headrace::wire
