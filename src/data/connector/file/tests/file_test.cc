#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "columnar/value_encoding.h"
#include "data/connector/file/line_reader.h"
#include "data/connector/tests/test_context.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

namespace fs = std::filesystem;

class FileConnector : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "headrace-file-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }
  void Put(const std::string& name, const std::string& content) { std::ofstream(fs::path(folder_) / name, std::ios::binary) << content; }
  static std::string Get(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Result<std::vector<std::string>> ReadAll(const plan::ConnectorSpec& spec, TestContext* test) {
    HR_ASSIGN_OR_RAISE(auto reader, MakeSourceReader(spec));
    HR_RETURN_NOT_OK(reader->Open(test->context));
    HR_ASSIGN_OR_RAISE(const auto splits, plan::PlanLocalSplits(spec, 4));
    HR_RETURN_NOT_OK(reader->AddSplits(splits));
    reader->NoMoreSplits();
    return ReadRows(reader.get(), test);
  }
  std::string folder_;
};

TEST_F(FileConnector, LinesEndsAndLastLineWithoutEnd) {
  Put("b.txt", "three\r\n\nfive");
  Put("a.txt", "one\ntwo\n");
  Put("empty.txt", "");
  Put(".hidden", "no\n");
  TestContext test;
  const auto rows = ReadAll(SpecOf("file", {{"path", folder_}}), &test);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, (std::vector<std::string>{"one", "two", "three", "", "five"}));
}

TEST_F(FileConnector, ManyChunksKeepEveryLine) {
  std::string content;
  std::vector<std::string> expected;
  for (int i = 0; i < 200'000; ++i) {
    expected.push_back("line " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 37), 'x'));
    content += expected.back() + "\n";
  }
  Put("big.txt", content);
  TestContext test;
  const auto rows = ReadAll(SpecOf("file", {{"path", folder_ + "/big.txt"}}), &test);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, expected);
}

TEST_F(FileConnector, ResumesBehindTheLastPolledBatch) {
  std::string content;
  for (int i = 0; i < 10'000; ++i) content += std::to_string(i) + "\n";
  Put("n.txt", content);
  const auto spec = SpecOf("file", {{"path", folder_ + "/n.txt"}});
  TestContext test;
  auto first = *MakeSourceReader(spec);
  ASSERT_TRUE(first->Open(test.context).ok());
  ASSERT_TRUE(first->AddSplits(*plan::PlanLocalSplits(spec, 1)).ok());
  auto rows = *ReadRows(first.get(), &test, 1);
  ASSERT_EQ(rows.size(), 4096u);
  auto second = *MakeSourceReader(spec);
  ASSERT_TRUE(second->Open(test.context).ok());
  ASSERT_TRUE(second->AddSplits(first->Positions()).ok());
  second->NoMoreSplits();
  for (std::string& row : *ReadRows(second.get(), &test)) rows.push_back(std::move(row));
  ASSERT_EQ(rows.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(rows[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_F(FileConnector, PoisonLinesFailOrAreSkippedAndSampled) {
  Put("p.json", "{\"a\": 1}\nnot json\n\n[2, null]\n\xff\n");
  TestContext test;
  auto spec = SpecOf("file", {{"path", folder_ + "/p.json"}, {"format", "json"}});
  const auto failed = ReadAll(spec, &test);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(CodeOf(failed.status()), ErrorCode::kBadRecord);
  EXPECT_NE(failed.status().message().find("byte 9"), std::string::npos) << failed.status();
  const auto skipped = test.metrics.GetCounter("headrace_bad_records_total", "", test.context.labels);
  spec.options["on_error"] = "skip";
  const auto rows = ReadAll(spec, &test);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, (std::vector<std::string>{"{\"a\":1}", "[2,null]"}));
  ASSERT_EQ(test.BadRecords().size(), 2u);
  EXPECT_NE(test.BadRecords()[1].find("\\xff"), std::string::npos);
  EXPECT_EQ(skipped->value(), 2u);
}

TEST_F(FileConnector, InvalidUtf8IsABadLine) {
  Put("u.txt", "good\n\xc3(\n");
  TestContext test;
  EXPECT_EQ(CodeOf(ReadAll(SpecOf("file", {{"path", folder_}}), &test).status()), ErrorCode::kBadRecord);
}

TEST_F(FileConnector, EndlessLineIsBadNotMemory) {
  Put("long.txt", "a\n" + std::string((16u << 20) + 5, 'x') + "\nb\n");
  TestContext test;
  const auto rows = ReadAll(SpecOf("file", {{"path", folder_}, {"on_error", "skip"}}), &test);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, (std::vector<std::string>{"a", "b"}));
}

TEST_F(FileConnector, PipeOrDeviceIsRefusedInsteadOfReadForEver) {
  ASSERT_EQ(::mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder_ + "/pipe", std::string("/dev/zero")}) {
    TestContext test;
    const Status status = ReadAll(SpecOf("file", {{"path", path}}), &test).status();
    EXPECT_EQ(CodeOf(status), ErrorCode::kConnectorIo) << status;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
}

TEST_F(FileConnector, LineBeyondTheBoundLetsItsReaderStop) {
  Put("long.txt", std::string((16u << 20) + (1u << 20), 'x') + "\nshort\n");
  auto lines = LineReader::Open(folder_ + "/long.txt", 0);
  ASSERT_TRUE(lines.ok()) << lines.status();
  std::string_view line;
  int pauses = 0;
  LineReader::Found found = *lines->Next(&line);
  for (; found == LineReader::Found::kUnfinished; found = *lines->Next(&line)) {
    EXPECT_EQ(lines->position(), 0);  // a restart reads the line from its beginning
    ++pauses;
  }
  EXPECT_GE(pauses, 2);
  EXPECT_EQ(found, LineReader::Found::kTooLong);
  EXPECT_EQ(*lines->Next(&line), LineReader::Found::kLine);
  EXPECT_EQ(line, "short");
  EXPECT_EQ(lines->position(), static_cast<std::int64_t>((17u << 20) + 7));
  EXPECT_EQ(*lines->Next(&line), LineReader::Found::kEnd);
}

TEST_F(FileConnector, FileThatVanishedIsTransient) {
  Put("gone.txt", "x\n");
  const auto spec = SpecOf("file", {{"path", folder_ + "/gone.txt"}});
  const auto splits = *plan::PlanLocalSplits(spec, 1);
  fs::remove(folder_ + "/gone.txt");
  TestContext test;
  auto reader = *MakeSourceReader(spec);
  ASSERT_TRUE(reader->Open(test.context).ok());
  ASSERT_TRUE(reader->AddSplits(splits).ok());
  EXPECT_EQ(CodeOf(ReadRows(reader.get(), &test).status()), ErrorCode::kConnectorIo);
}

TEST_F(FileConnector, SinkPublishesWholeFilesOnlyAndNeverOverwrites) {
  const std::string out = folder_ + "/deep/out";
  TestContext test;
  const auto run = [&](const std::vector<std::string>& rows, const std::string& format) {
    auto writer = *MakeSinkWriter(SpecOf("file", {{"path", out}, {"format", format}}));
    ASSERT_TRUE(writer->Open(test.context).ok());
    ASSERT_TRUE(writer->writable());
    ASSERT_TRUE(writer->Write(TextBatch(rows)).ok());
    writer->RequestFlush();
    for (int i = 0; i < 200 && !writer->flushed() && writer->Poll().ok(); ++i) test.waker.Wait(50);
    ASSERT_TRUE(writer->Poll().ok()) << writer->Poll();
    ASSERT_TRUE(writer->flushed());
  };
  run({"one", "two"}, "lines");
  run({"th\"ree"}, "json");
  EXPECT_EQ(Get(out + "/part-0-0"), "one\ntwo\n");
  EXPECT_EQ(Get(out + "/part-0-1"), "\"th\\\"ree\"\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(out), fs::directory_iterator{}), 2);
}

TEST_F(FileConnector, TwoSinksOfAJobShareAFolder) {
  TestContext first, second;
  second.context.operator_uid = "uid2";
  auto a = *MakeSinkWriter(SpecOf("file", {{"path", folder_}})), b = *MakeSinkWriter(SpecOf("file", {{"path", folder_}}));
  const auto write = [](SinkWriter* writer, TestContext* test, const std::string& row) {
    ASSERT_TRUE(writer->Open(test->context).ok());
    ASSERT_TRUE(writer->Write(TextBatch({row})).ok());
  };
  write(a.get(), &first, "of a");
  // Its file is open, and still hidden, when the other begins.
  const auto hidden = [&] {
    return std::count_if(fs::directory_iterator(folder_), fs::directory_iterator{},
                         [](const auto& entry) { return entry.path().filename().native().ends_with(".inprogress"); });
  };
  for (int i = 0; i < 1000 && hidden() < 1; ++i) first.waker.Wait(5);
  write(b.get(), &second, "of b");
  for (int i = 0; i < 1000 && hidden() < 2; ++i) second.waker.Wait(5);
  for (auto [writer, test] : {std::pair{a.get(), &first}, std::pair{b.get(), &second}}) {
    writer->RequestFlush();
    for (int i = 0; i < 200 && !writer->flushed() && writer->Poll().ok(); ++i) test->waker.Wait(50);
    ASSERT_TRUE(writer->flushed() && writer->Poll().ok()) << writer->Poll();
  }
  EXPECT_EQ(Get(folder_ + "/part-0-0") + Get(folder_ + "/part-0-1"), "of a\nof b\n");
}

TEST_F(FileConnector, SinkSaysThatAFolderCannotBeMade) {
  Put("file", "x");
  TestContext test;
  auto writer = *MakeSinkWriter(SpecOf("file", {{"path", folder_ + "/file/below"}}));
  ASSERT_TRUE(writer->Open(test.context).ok());
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    test.waker.Wait(50);
    status = writer->Poll();
  }
  EXPECT_EQ(CodeOf(status), ErrorCode::kConnectorIo);
  EXPECT_NE(status.message().find("op"), std::string::npos);
}

}  // namespace
}  // namespace headrace::data::connector
