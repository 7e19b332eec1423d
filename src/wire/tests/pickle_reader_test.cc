#include "wire/pickle_reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace headrace::wire {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

const fs::path kFolder = fs::path(HEADRACE_SOURCE_DIR) / "tests/golden/job_file";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Answer(std::string_view pickle) {
  Result<std::string_view> content = ReadPickledJobGraph(pickle);
  return content.ok() ? "content: " + std::string(*content) : CodeName(CodeOf(content.status())) + " " + content.status().message();
}

std::string Refusal(std::string_view pickle) {
  Result<std::string_view> content = ReadPickledJobGraph(pickle);
  EXPECT_FALSE(content.ok());
  return content.ok() ? "" : content.status().message();
}

const std::string kGlobal = "\x80\x04\x8c\x12headrace.job_graph\x8c\x08JobGraph\x93"s;

/// The pickles of tests/golden/job_file were written by CPython; expected.txt says what becomes of each.
/// HEADRACE_UPDATE_GOLDEN=1 writes it anew.
TEST(PickleReader, AnswersEveryGoldenPickleAsWritten) {
  std::map<std::string, std::string> answers;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".pkl") answers[entry.path().stem().string()] = Answer(ReadFile(entry.path()));
  }
  std::string text;
  for (const auto& [name, answer] : answers) {
    text += name + "\n    " + answer + "\n";
    EXPECT_EQ(name.starts_with("good"), answer.starts_with("content")) << name << ": " << answer;
  }
  if (std::getenv("HEADRACE_UPDATE_GOLDEN") != nullptr) std::ofstream(kFolder / "expected.txt", std::ios::binary) << text;
  EXPECT_EQ(text, ReadFile(kFolder / "expected.txt"));
  EXPECT_GE(answers.size(), 30u);
}

TEST(PickleReader, CutAtAnyByteIsRefused) {
  for (const char* name : {"good_protocol_3", "good_protocol_4", "good_protocol_5", "bad_graph_in_dict"}) {
    const std::string whole = ReadFile(kFolder / (std::string(name) + ".pkl"));
    ASSERT_FALSE(whole.empty());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // A copy of its own, so that a read behind the end is found by the address sanitizer.
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      Result<std::string_view> content = ReadPickledJobGraph({cut.data(), cut.size()});
      ASSERT_FALSE(content.ok()) << name << " cut at " << size;
      ASSERT_EQ(CodeOf(content.status()), ErrorCode::kNotAJobFile);
    }
  }
}

TEST(PickleReader, AnyChangedByteIsReadOrRefusedButNeverCrashes) {
  const std::string whole = ReadFile(kFolder / "good_protocol_4.pkl");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      Result<std::string_view> content = ReadPickledJobGraph(changed);
      ASSERT_TRUE(content.ok() || CodeOf(content.status()) == ErrorCode::kNotAJobFile);
    }
  }
}

TEST(PickleReader, SixtyFiveMegabytesOfZerosAreTooLarge) {
  const std::string zeros(65u << 20, '\0');
  EXPECT_EQ(CodeOf(ReadPickledJobGraph(zeros).status()), ErrorCode::kTooLarge);
}

TEST(PickleReader, SixtyMegabytesOfContentAreRead) {
  const std::string content(60u << 20, 'x');
  const std::uint32_t size = static_cast<std::uint32_t>(content.size());
  std::string pickle = kGlobal + "B" + std::string(reinterpret_cast<const char*>(&size), 4) + content + "\x85R.";
  Result<std::string_view> read = ReadPickledJobGraph(pickle);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->size(), content.size());
  EXPECT_TRUE(read->data() >= pickle.data() && read->data() < pickle.data() + pickle.size()) << "the content must not be copied";
}

TEST(PickleReader, MillionsOfOpcodesAreCut) {
  EXPECT_NE(Refusal("\x80\x04"s + std::string(2'000'000, 'N') + ".").find("more than 1000000 opcodes"), std::string::npos);
}

TEST(PickleReader, DeepNestingIsCut) {
  std::string tuples = "\x80\x04N"s, dicts = "\x80\x04}"s;
  for (int i = 0; i < 5000; ++i) tuples += '\x85';
  EXPECT_NE(Refusal(tuples + ".").find("nests deeper than 200"), std::string::npos);
  // A dict that holds a memo of itself, again and again.
  for (int i = 0; i < 5000; ++i) dicts += "\x94}K\x01h"s + static_cast<char>(std::min(i, 255)) + "s"s;
  EXPECT_FALSE(ReadPickledJobGraph(dicts + ".").ok());
  std::string marks = "\x80\x04"s + std::string(5000, '(') + std::string(5000, 't') + ".";
  EXPECT_NE(Refusal(marks).find("nests deeper than 200"), std::string::npos);
}

TEST(PickleReader, HugeLengthsAllocateNothing) {
  EXPECT_NE(Refusal("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."s).find("ends inside opcode BINBYTES8 at offset 2"), std::string::npos);
  EXPECT_NE(Refusal("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff."s).find("ends inside opcode FRAME"), std::string::npos);
  EXPECT_NE(Refusal("\x80\x04Nr\xff\xff\xff\x7f"s).find("without STOP"), std::string::npos);
}

TEST(PickleReader, EmptyStacksAndStrayMarksAreRefused) {
  for (const std::string& body : {"\x85"s,  "\x86"s, "\x87"s,  "t"s,  "d"s,     "u"s,    "s"s,      "R"s,   "\x93"s, "\x94"s, "q\x00"s,
                                  "h\x00"s, "."s,    "(\x94"s, "(."s, "(\x85"s, "}(Nu"s, "}((NNs"s, "N(R"s, "(Nd"s,  "(NNu"s}) {
    EXPECT_FALSE(ReadPickledJobGraph("\x80\x04"s + body + ".").ok()) << testing::PrintToString(body);
  }
}

TEST(PickleReader, TheGlobalStandsOnce) {
  const std::string again = "\x8c\x12headrace.job_graph\x8c\x08JobGraph\x93"s;
  EXPECT_NE(Refusal(kGlobal + again + ".").find("names a global a second time"), std::string::npos);
  // Through the memo the one global could be reduced twice.
  EXPECT_NE(Refusal(kGlobal + "\x94"
                              "C\x01x\x85R"
                              "h\x00"
                              "C\x01y\x85R\x86."s)
                .find("opcode REDUCE"),
            std::string::npos);
}

TEST(PickleReader, NamesFromTheFileAreShownHarmlessly) {
  const std::string message = Refusal(
      "\x80\x03"
      "cos\x1b[2J\x80\nsystem" +
      std::string(300, 'x') + "\n.");
  EXPECT_NE(message.find("names os?[2J?.system"), std::string::npos) << message;
  EXPECT_LT(message.size(), 250u);
}

}  // namespace
}  // namespace headrace::wire
