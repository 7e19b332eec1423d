#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "columnar/value_encoding.h"
#include "data/connector/bad_record.h"
#include "data/connector/generator/word_rows.h"
#include "data/connector/read_queue.h"
#include "data/connector/tests/test_context.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

Result<std::vector<std::string>> Generate(const plan::ConnectorSpec& spec, std::uint32_t parallelism, TestContext* test) {
  std::vector<std::string> all;
  HR_ASSIGN_OR_RAISE(const auto splits, plan::PlanLocalSplits(spec, parallelism));
  for (const plan::SourceSplit& split : splits) {
    HR_ASSIGN_OR_RAISE(auto reader, MakeSourceReader(spec));
    HR_RETURN_NOT_OK(reader->Open(test->context));
    HR_RETURN_NOT_OK(reader->AddSplits({split}));
    reader->NoMoreSplits();
    HR_ASSIGN_OR_RAISE(const auto rows, ReadRows(reader.get(), test));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(Generator, RowsAreTheSameAtAnyParallelism) {
  TestContext test;
  for (const char* kind : {"sequence", "words"}) {
    const auto spec =
        SpecOf("generator", {{"kind", kind}, {"count", "10001"}, {"vocabulary", "1000"}, {"words_per_row", "3"}, {"seed", "7"}});
    auto alone = *Generate(spec, 1, &test), three = *Generate(spec, 3, &test);
    ASSERT_EQ(alone.size(), 10001u);
    if (std::string(kind) == "sequence") {
      EXPECT_EQ(alone[9999], "9999");
    }
    std::sort(alone.begin(), alone.end());
    std::sort(three.begin(), three.end());
    EXPECT_EQ(alone, three);
  }
}

TEST(Generator, AnotherSeedGivesOtherRows) {
  std::string a, b;
  WordRows(1, 1000, 5).Line(0, &a);
  WordRows(2, 1000, 5).Line(0, &b);
  EXPECT_NE(a, b);
}

TEST(Generator, WordsAreSkewedAndCoverTheVocabulary) {
  std::map<std::string, int> counts;
  const WordRows rows(1, 1000, 20);
  std::string line;
  for (int i = 0; i < 20'000; ++i) {
    rows.Line(i, &line);
    std::size_t at = 0;
    while (at <= line.size()) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      ++counts[line.substr(at, end - at)];
      at = end + 1;
    }
  }
  EXPECT_EQ(counts.size(), 1000u);
  std::vector<int> sorted;
  for (const auto& [word, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  EXPECT_GT(sorted[0], 400'000 / 15);
  EXPECT_LT(sorted[999], 400'000 / 2000);
}

TEST(Generator, WordsOfDifferentRanksDiffer) {
  std::set<std::string> words;
  for (std::uint32_t rank = 0; rank < 300'000; ++rank) {
    std::string word;
    WordRows::AppendWord(rank, &word);
    words.insert(word);
  }
  EXPECT_EQ(words.size(), 300'000u);
}

TEST(Generator, RateHolds) {
  TestContext test;
  const auto spec = SpecOf("generator", {{"count", "300"}, {"rows_per_second", "1000"}});
  const auto start = std::chrono::steady_clock::now();
  auto rows = Generate(spec, 1, &test);
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 300u);
  EXPECT_GE(took, std::chrono::milliseconds(270));
}

TEST(Generator, ResumesAtItsPosition) {
  TestContext test;
  const auto spec = SpecOf("generator", {{"count", "9000"}});
  auto first = *MakeSourceReader(spec);
  ASSERT_TRUE(first->Open(test.context).ok());
  ASSERT_TRUE(first->AddSplits(*plan::PlanLocalSplits(spec, 1)).ok());
  const auto rows = *ReadRows(first.get(), &test, 1);
  auto second = *MakeSourceReader(spec);
  ASSERT_TRUE(second->Open(test.context).ok());
  ASSERT_TRUE(second->AddSplits(first->Positions()).ok());
  second->NoMoreSplits();
  const auto rest = *ReadRows(second.get(), &test);
  EXPECT_EQ(rest.front(), std::to_string(rows.size()));
  EXPECT_EQ(rows.size() + rest.size(), 9000u);
}

std::string Encoded(const std::function<void(columnar::ValueWriter&)>& write) {
  std::string bytes;
  columnar::ValueWriter writer(&bytes);
  write(writer);
  return bytes;
}

std::vector<std::string> Collected(const std::string& payload) {
  TestContext test;
  auto reader = *MakeSourceReader(SpecOf("collection", {}, payload));
  HR_CHECK(reader->Open(test.context).ok());
  HR_CHECK(reader->AddSplits({{"collection-0", plan::CollectionSplit{}.ToPayload()}}).ok());
  reader->NoMoreSplits();
  const auto poll = reader->Poll();
  if (!poll.ok() || poll->kind != SourcePoll::Kind::kBatch) return {};
  return RowsOf(poll->batch);
}

TEST(CollectionSource, KeepsOrderAndNestedValues) {
  EXPECT_EQ(Collected(Encoded([](auto& w) {
              w.ListHeader(3);
              w.String("a");
              w.TupleHeader(2);
              w.Int(1);
              w.DictHeader(1);
              w.String("k");
              w.ListHeader(0);
              w.None();
            })),
            (std::vector<std::string>{"a", "[1,{\"k\":[]}]", "null"}));
  EXPECT_EQ(Collected(Encoded([](auto& w) {
              w.ListHeader(2);
              w.Int(1);
              w.Int(-2);
            })),
            (std::vector<std::string>{"1", "-2"}));
  EXPECT_EQ(Collected(Encoded([](auto& w) { w.ListHeader(0); })), (std::vector<std::string>{}));
}

TEST(CollectionSource, DamagedPayloadIsRefused) {
  const std::string good = Encoded([](auto& w) {
    w.ListHeader(2);
    w.String("abc");
    w.Int(1);
  });
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(MakeSourceReader(SpecOf("collection", {}, good.substr(0, cut))).ok()) << cut;
  EXPECT_FALSE(MakeSourceReader(SpecOf("collection", {}, good + "x")).ok());
  EXPECT_FALSE(MakeSourceReader(SpecOf("collection", {}, Encoded([](auto& w) { w.Int(1); }))).ok());
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "\x09\x01";
  EXPECT_FALSE(MakeSourceReader(SpecOf("collection", {}, deep + std::string(1, '\0'))).ok());
}

TEST(CollectionSink, DeliversOrRefuses) {
  TestContext test;
  auto writer = *MakeSinkWriter(SpecOf("collection", {}));
  ASSERT_TRUE(writer->Open(test.context).ok());
  ASSERT_TRUE(writer->Write(TextBatch({"a", "b"})).ok());
  ASSERT_EQ(test.collected.size(), 1u);
  EXPECT_EQ(test.collected[0].first, "uid1");
  test.context.on_collected = nullptr;
  auto refused = *MakeSinkWriter(SpecOf("collection", {}));
  EXPECT_EQ(CodeOf(refused->Open(test.context)), ErrorCode::kBadOption);
}

TEST(PrintSink, PrefixesEveryRow) {
  TestContext test;
  test.context.parallelism = 2;
  test.context.subtask = 1;
  testing::internal::CaptureStdout();
  for (const char* prefix : {"", "out"}) {
    auto writer = *MakeSinkWriter(SpecOf("print", {{"prefix", prefix}}));
    ASSERT_TRUE(writer->Open(test.context).ok());
    ASSERT_TRUE(writer->Write(TextBatch({"a", "b\n"})).ok());
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "2> 'a'\n2> 'b\\n'\nout> 'a'\nout> 'b\\n'\n");
}

TEST(Factories, UnknownKindsAreUserErrors) {
  EXPECT_EQ(CodeOf(MakeSourceReader(SpecOf("carrier pigeon", {})).status()), ErrorCode::kUnknownConnector);
  EXPECT_EQ(CodeOf(MakeSinkWriter(SpecOf("carrier pigeon", {})).status()), ErrorCode::kUnknownConnector);
  EXPECT_TRUE(MakeSinkWriter(SpecOf("blackhole", {})).ok());
}

TEST(ReadQueue, FullQueueBlocksUntilTheTaskTakes) {
  ReadQueue queue(2, 1 << 20);
  queue.Push({});
  queue.Push({});
  bool let_go = false;
  std::thread reader([&] { let_go = queue.WaitForRoom(); });
  ReadItem item;
  EXPECT_TRUE(*queue.Pop(&item));
  reader.join();
  EXPECT_TRUE(let_go);
}

TEST(ReadQueue, CloseLetsAWaitingReaderGo) {
  ReadQueue queue(1, 1 << 20);
  queue.Push({});
  bool room = true;
  std::thread reader([&] { room = queue.WaitForRoom(); });
  queue.Close();
  reader.join();
  EXPECT_FALSE(room);
}

TEST(ReadQueue, FailureComesAfterWhatWasPushed) {
  ReadQueue queue(4, 1 << 20);
  queue.Push({});
  queue.Fail(Status::IOError("x"));
  ReadItem item;
  EXPECT_TRUE(*queue.Pop(&item));
  EXPECT_FALSE(queue.Pop(&item).ok());
}

TEST(SampleOf, IsPrintableAndShort) {
  EXPECT_EQ(SampleOf("a\n\xff"), "a\\x0a\\xff");
  EXPECT_LT(SampleOf(std::string(5000, '\x01')).size(), 600u);
}

}  // namespace
}  // namespace headrace::data::connector
