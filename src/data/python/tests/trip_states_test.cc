#include "data/python/trip_states.h"

#include <arrow/array/builder_primitive.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "columnar/key_encoding.h"
#include "data/python/keyed_process.h"
#include "data/python/tests/worker_support.h"

namespace headrace::data::python {
namespace {

/// Counts what goes to the worker and comes back.
class CountingStage final : public Stage {
 public:
  CountingStage(std::unique_ptr<Stage> stage, std::atomic<std::int64_t>* moved) : stage_(std::move(stage)), moved_(moved) {}
  bool accepting() const override { return stage_->accepting(); }
  Status status() const override { return stage_->status(); }
  Status Run(columnar::DataBatch batch, StageCallback done) override { return stage_->Run(std::move(batch), std::move(done)); }
  Status RunReduce(columnar::DataBatch batch, ReduceInput input, StageCallback done) override {
    return stage_->RunReduce(std::move(batch), std::move(input), std::move(done));
  }
  Status RunTrip(const TripBody& body, TripCallback done) override {
    *moved_ += static_cast<std::int64_t>(body.size());
    return stage_->RunTrip(body, [moved = moved_, done = std::move(done)](Result<TripAnswer> answer) {
      if (answer.ok()) *moved += answer->bytes->size();
      done(std::move(answer));
    });
  }

 private:
  std::unique_ptr<Stage> stage_;
  std::atomic<std::int64_t>* moved_;
};

class CountingPool final : public WorkerPool {
 public:
  CountingPool() : pool_(StartWorkerPool(TestPoolOptions()).ValueOrDie()) {}
  Result<std::unique_ptr<Stage>> LoadStage(const StageSpec& spec, std::uint32_t slot, Waker* waker) override {
    HR_ASSIGN_OR_RAISE(auto stage, pool_->LoadStage(spec, slot, waker));
    return std::make_unique<CountingStage>(std::move(stage), &moved);
  }
  std::vector<int> pids() const override { return pool_->pids(); }
  void RequestStop() override { pool_->RequestStop(); }
  void Join() override { pool_->Join(); }
  std::atomic<std::int64_t> moved{0};

 private:
  std::unique_ptr<WorkerPool> pool_;
};

class Dropped final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    for (const std::string& row : Rows(batch)) texts.push_back(row);
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark) override { return Status::OK(); }
  std::vector<std::string> texts;
};

columnar::DataBatch OneKey(const std::vector<std::int64_t>& numbers) {
  arrow::Int64Builder values, keys;
  for (const std::int64_t number : numbers) EXPECT_TRUE(values.Append(number).ok() && keys.Append(0).ok());
  const auto key = keys.Finish().ValueOrDie();
  return columnar::MakeValueBatch(columnar::ValueForm::kInt64, values.Finish().ValueOrDie(), columnar::EncodeKeyColumn(*key).ValueOrDie())
      .ValueOrDie();
}

using Kind = plan::StateDeclaration::Kind;

/// Bytes of a batch that puts one entry and adds one element to states that have `size` of them; and what the function then sees.
std::pair<std::int64_t, std::vector<std::string>> BytesOfOneChange(std::int64_t size) {
  CountingPool pool;
  WaitableWaker waker;
  ManualClock clock;
  Dropped out;
  plan::ProcessSpec spec;
  spec.states = {{"map", Kind::kMap, 0, false}, {"list", Kind::kList, 0, false}, {"aged", Kind::kMap, 60'000, false}};
  KeyedProcess process(&pool, Function(Verb::kMap, "fn", R"(
from headrace import KeyedProcessFunction, ListState, MapState
class F(KeyedProcessFunction):
    map, list, aged = MapState("map"), ListState("list"), MapState("aged", ttl=60_000)
    def process(self, row, ctx):
        if row < 0:
            return [(len(self.map), len(self.list.get()), len(self.aged), self.map.get(1_000_007))]
        self.map.put(1_000_000 + row, 1)
        self.aged.put(1_000_000 + row, 1)
        self.list.add(1)
f = F()
)"),
                       0, spec, std::vector<std::shared_ptr<arrow::Schema>>{nullptr});
  op::OperatorContext context;
  context.waker = &waker;
  context.clock = &clock;
  EXPECT_TRUE(process.Open(context).ok());
  const auto run = [&](const std::vector<std::int64_t>& rows) {
    EXPECT_TRUE(process.Process(0, OneKey(rows), &out).ok());
    EXPECT_TRUE(waker.WaitUntil([&] {
      const Status status = process.Poll(&out);
      EXPECT_TRUE(status.ok()) << status;
      return !status.ok() || !process.busy();
    }));
  };
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < size; ++i) rows.push_back(i);
  run(rows);
  const std::int64_t before = pool.moved;
  run({7});
  const std::int64_t moved = pool.moved - before;
  run({-1});
  return {moved, out.texts};
}

TEST(TripStates, WhatAPutMovesDoesNotGrowWithTheMap) {
  const auto [few_bytes, few] = BytesOfOneChange(10);
  const auto [many_bytes, many] = BytesOfOneChange(100'000);
  fmt::print("a put into three states moves {} bytes beside 10 elements, {} beside 100,000\n", few_bytes, many_bytes);
  EXPECT_EQ(few, (std::vector<std::string>{"[10,11,10,1]"}));
  EXPECT_EQ(many, (std::vector<std::string>{"[100000,100001,100000,1]"}));
  EXPECT_LE(std::abs(many_bytes - few_bytes), 64) << "the bytes of a number";
  EXPECT_LT(many_bytes, 4096);
}

TEST(ResidentKeys, KeysThatWereNotMetForLongAreGivenUpFirst) {
  ResidentKeys keys;
  constexpr std::int64_t kEach = ResidentKeys::kBudgetBytes / 8;
  std::vector<state::EntryId> given_up;
  const auto none = [](state::EntryId) { return false; };
  const auto note = [&](state::EntryId entry) { given_up.push_back(entry); };
  for (state::EntryId entry = 0; entry < 20; ++entry) {
    keys.Keep(entry, kEach);
    keys.Keep(3, kEach);  // met again and again
    keys.Shrink(none, note);
    EXPECT_TRUE(keys.Has(entry)) << "the newest stays";
  }
  EXPECT_TRUE(keys.Has(3));
  EXPECT_EQ(given_up.size(), 12u);
  keys.Keep(20, 100 * kEach);
  keys.Shrink([](state::EntryId entry) { return entry == 20; }, note);
  EXPECT_TRUE(keys.Has(20)) << "what is in use stays, however large";
  EXPECT_EQ(given_up.size(), 20u);
}

}  // namespace
}  // namespace headrace::data::python
