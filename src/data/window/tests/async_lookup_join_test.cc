#include "data/window/async_lookup_join.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <utility>

namespace headrace::data::window {
namespace {

class Collected final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    const auto& keys = static_cast<const arrow::Int64Array&>(*batch.records()->column(0));
    const auto& values = static_cast<const arrow::Int64Array&>(*batch.records()->column(1));
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) rows.push_back({keys.Value(i), values.IsNull(i) ? -1 : values.Value(i)});
    return Status::OK();
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> rows;
};

using Rows = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// Keeps questions until the test answers them.
struct Table {
  struct Question {
    std::vector<std::int64_t> keys;
    connector::TableClient::Answer answer;
  };
  std::vector<Question> questions;
  std::multimap<std::int64_t, std::int64_t> rows;

  void Answer(std::size_t number) {
    arrow::Int64Builder values;
    connector::TableClient::Found found;
    for (std::uint32_t i = 0; i < questions[number].keys.size(); ++i) {
      const auto [begin, end] = rows.equal_range(questions[number].keys[i]);
      for (auto at = begin; at != end; ++at) {
        found.keys.push_back(i);
        ASSERT_TRUE(values.Append(at->second).ok());
      }
    }
    const auto array = values.Finish().ValueOrDie();
    found.rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::int64(), false)}), array->length(), {array});
    questions[number].answer(std::move(found));
  }
  void Refuse(std::size_t number, ErrorCode code) { questions[number].answer(Error(code, "the server is away")); }
};

class FakeClient final : public connector::TableClient {
 public:
  explicit FakeClient(Table* table) : table_(table) {}
  std::string Describe() const override { return "the table"; }
  Status Open() override { return Status::OK(); }
  void Ask(std::shared_ptr<arrow::RecordBatch> keys, Answer answer) override {
    Table::Question question{{}, std::move(answer)};
    const auto& column = static_cast<const arrow::Int64Array&>(*keys->column(0));
    for (std::int64_t i = 0; i < column.length(); ++i) question.keys.push_back(column.Value(i));
    table_->questions.push_back(std::move(question));
  }

 private:
  Table* table_;
};

class AsyncLookupJoinTest : public ::testing::Test {
 protected:
  void Start(LookupCache::Limits cache, bool left = true) {
    AsyncLookupJoin::Options options;
    options.keep_unmatched = left;
    options.max_in_flight = 2;
    options.timeout = std::chrono::seconds(10);
    options.first_pause = std::chrono::milliseconds(100);
    options.last_pause = std::chrono::seconds(2);
    options.cache = cache;
    const arrow::FieldVector fields = {arrow::field("v", arrow::int64(), false)};
    join_ = std::make_unique<AsyncLookupJoin>(options, std::make_unique<FakeClient>(&table_), std::vector<int>{0}, fields,
                                              LookupCache::Make(fields, cache).ValueOrDie(),
                                              [this](std::string why) { waiting_ = std::move(why); });
    op::OperatorContext context;
    context.clock = &clock_;
    context.state_bytes = &bytes_;
    ASSERT_TRUE(join_->Open(context).ok());
  }
  void Put(const std::vector<std::optional<std::int64_t>>& keys) {
    arrow::Int64Builder builder;
    for (const auto& key : keys) ASSERT_TRUE((key ? builder.Append(*key) : builder.AppendNull()).ok());
    const auto records = arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::int64())}),
                                                  static_cast<std::int64_t>(keys.size()), {builder.Finish().ValueOrDie()});
    ASSERT_TRUE(join_->Process(0, columnar::DataBatch(records), &out_).ok());
  }
  void Poll() { ASSERT_TRUE(join_->Poll(&out_).ok()); }
  Rows Taken() { return std::exchange(out_.rows, {}); }

  ManualClock clock_;
  Table table_;
  std::atomic<std::int64_t> bytes_{0};
  std::unique_ptr<AsyncLookupJoin> join_;
  Collected out_;
  std::string waiting_;
};

TEST_F(AsyncLookupJoinTest, AnswersOutOfOrderLeaveInOrder) {
  table_.rows = {{1, 10}, {2, 20}, {2, 21}, {3, 30}};
  Start({100, 0, 1000});
  Put({2, 1, 2, std::nullopt, 9});
  Put({3, 1});
  EXPECT_FALSE(join_->accepting());
  ASSERT_EQ(table_.questions.size(), 2u);
  EXPECT_EQ(table_.questions[0].keys, (std::vector<std::int64_t>{2, 1, 9})) << "each key once";
  EXPECT_EQ(table_.questions[1].keys, (std::vector<std::int64_t>{3})) << "1 is on its way";
  table_.Answer(1);
  Poll();
  EXPECT_TRUE(Taken().empty());
  EXPECT_TRUE(join_->busy());
  table_.Answer(0);
  Poll();
  EXPECT_EQ(Taken(), (Rows{{2, 20}, {2, 21}, {1, 10}, {2, 20}, {2, 21}, {0, -1}, {9, -1}, {3, 30}, {1, 10}}));
  EXPECT_FALSE(join_->busy());
  Put({1, 2, 3, 9});
  EXPECT_EQ(Taken().size(), 5u) << "known keys, and one known to be missing, need no answer";
  EXPECT_EQ(table_.questions.size(), 2u);
}

TEST_F(AsyncLookupJoinTest, InnerDropsWhatHasNoRow) {
  table_.rows = {{1, 10}};
  Start({100, 0, 1000}, /*left=*/false);
  Put({1, 2, std::nullopt});
  table_.Answer(0);
  Poll();
  EXPECT_EQ(Taken(), (Rows{{1, 10}}));
}

TEST_F(AsyncLookupJoinTest, TheKeysUsedLastStay) {
  table_.rows = {{1, 10}, {2, 20}, {3, 30}};
  Start({2, 0, 1000});
  Put({1, 2});
  table_.Answer(0);
  Poll();
  Put({1});
  Put({3});
  table_.Answer(1);
  Poll();
  Put({1, 3});
  EXPECT_EQ(table_.questions.size(), 2u);
  Put({2});
  EXPECT_EQ(table_.questions.size(), 3u) << "2 was used longest ago";
  EXPECT_GT(bytes_.load(), 0);
  join_.reset();
  EXPECT_EQ(bytes_.load(), 0);
}

TEST_F(AsyncLookupJoinTest, WhatIsTooOldIsAskedAgain) {
  table_.rows = {{1, 10}};
  Start({100, 1000, 200});
  Put({1, 2});
  table_.Answer(0);
  Poll();
  table_.rows = {{1, 11}, {2, 22}};
  clock_.Advance(std::chrono::milliseconds(200));
  Put({1, 2});
  ASSERT_EQ(table_.questions.size(), 2u);
  EXPECT_EQ(table_.questions[1].keys, (std::vector<std::int64_t>{2})) << "missing keys have a time of their own";
  table_.Answer(1);
  Poll();
  EXPECT_EQ(Taken(), (Rows{{1, 10}, {2, -1}, {1, 10}, {2, 22}}));
  clock_.Advance(std::chrono::milliseconds(800));
  Put({1});
  ASSERT_EQ(table_.questions.size(), 3u);
  table_.Answer(2);
  Poll();
  EXPECT_EQ(Taken(), (Rows{{1, 11}}));
}

TEST_F(AsyncLookupJoinTest, NothingIsKeptWithoutACache) {
  table_.rows = {{1, 10}};
  Start({0, 0, 0});
  for (std::size_t i = 0; i < 3; ++i) {
    Put({1});
    ASSERT_EQ(table_.questions.size(), i + 1);
    table_.Answer(i);
    Poll();
  }
  EXPECT_EQ(Taken(), (Rows{{1, 10}, {1, 10}, {1, 10}}));
}

TEST_F(AsyncLookupJoinTest, AsksAgainWithGrowingPauses) {
  table_.rows = {{1, 10}};
  Start({100, 0, 0});
  Put({1});
  for (std::size_t i = 0; i < 3; ++i) {
    table_.Refuse(i, ErrorCode::kConnectorIo);
    Poll();
    EXPECT_EQ(waiting_, "the server is away");
    const auto pause = std::chrono::milliseconds(100 << i);
    EXPECT_EQ(join_->next_poll(), clock_.Now() + pause);
    clock_.Advance(pause - std::chrono::nanoseconds(1));
    Poll();
    ASSERT_EQ(table_.questions.size(), i + 1);
    clock_.Advance(std::chrono::nanoseconds(1));
    Poll();
    ASSERT_EQ(table_.questions.size(), i + 2);
  }
  table_.Answer(3);
  Poll();
  EXPECT_EQ(Taken(), (Rows{{1, 10}}));
  EXPECT_EQ(waiting_, "");
}

TEST_F(AsyncLookupJoinTest, FailsWhenTheTimeIsOverAndAtOnceWhenRefused) {
  Start({100, 0, 0});
  Put({1});
  clock_.Advance(std::chrono::seconds(10));
  const Status late = join_->Poll(&out_);
  EXPECT_EQ(CodeOf(late), ErrorCode::kConnectorIo);
  EXPECT_NE(late.message().find("the table: the rows of 1 keys were not found within 10000 ms"), std::string::npos) << late.message();
  Start({100, 0, 0});
  Put({1});
  table_.Refuse(1, ErrorCode::kBadOption);
  EXPECT_EQ(CodeOf(join_->Poll(&out_)), ErrorCode::kBadOption);
}

}  // namespace
}  // namespace headrace::data::window
