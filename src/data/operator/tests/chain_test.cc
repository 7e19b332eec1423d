#include "data/operator/chain.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

#include "columnar/value_column.h"
#include "data/connector/sink.h"
#include "data/operator/checking.h"
#include "data/operator/sink_operator.h"
#include "data/operator/union.h"

namespace headrace::data::op {
namespace {

columnar::DataBatch Row(std::int64_t value) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
  EXPECT_TRUE(builder.AppendInt(value).ok());
  return builder.Finish().ValueOrDie();
}

/// Keeps batches until the test lets them go, as an operator with work on the side does.
class SideOperator final : public Operator {
 public:
  Status Open(const OperatorContext&) override { return Status::OK(); }
  bool accepting() const override { return held.size() < 2; }
  Status Process(std::uint32_t, columnar::DataBatch batch, Collector*) override {
    held.push_back(std::move(batch));
    return Status::OK();
  }
  Status Poll(Collector* out) override {
    for (; release > 0 && !held.empty(); --release) {
      HR_RETURN_NOT_OK(out->Emit(std::move(held.front())));
      held.pop_front();
    }
    return Status::OK();
  }
  bool busy() const override { return !held.empty(); }
  Status Finish(Collector* out) override { return out->Emit(Row(99)); }
  std::deque<columnar::DataBatch> held;
  int release = 0;
};

/// A chain of side operators and what leaves it, in short: "r" a row, "w5" a watermark, "b1" a barrier, "e" the end.
struct Rig {
  explicit Rig(int operators) {
    std::vector<ChainLink> links;
    for (int i = 0; i < operators; ++i) {
      auto side = std::make_unique<SideOperator>();
      sides.push_back(side.get());
      links.push_back({MakeCheckingOperator(std::move(side), "side"), "side" + std::to_string(i), "uid" + std::to_string(i), "side", ""});
    }
    chain = std::make_unique<Chain>(std::move(links));
    EXPECT_TRUE(chain->Open({}).ok());
  }
  std::string Run() {
    std::string out;
    while (true) {
      const bool moved = chain->Step().ValueOrDie();
      while (chain->has_output()) {
        const auto element = chain->TakeOutput();
        out += out.empty() ? "" : " ";
        if (columnar::IsData(element)) out += "r";
        if (const auto* w = std::get_if<columnar::Watermark>(&element)) out += "w" + std::to_string(w->event_time_ms);
        if (const auto* b = std::get_if<columnar::Barrier>(&element)) out += "b" + std::to_string(b->checkpoint_id);
        if (std::holds_alternative<columnar::EndOfInput>(element)) out += "e";
      }
      if (!moved) return out;
    }
  }
  std::vector<SideOperator*> sides;
  std::unique_ptr<Chain> chain;
};

TEST(Chain, NoControlElementPassesAnOutstandingBatch) {
  Rig rig(2);
  ASSERT_TRUE(rig.chain->Push(0, Row(1)).ok());
  ASSERT_TRUE(rig.chain->Push(0, columnar::Watermark{5}).ok());
  ASSERT_TRUE(rig.chain->Push(0, Row(2)).ok());
  ASSERT_TRUE(rig.chain->Push(0, columnar::Barrier{1, 0}).ok());
  EXPECT_EQ(rig.Run(), "");
  rig.sides[0]->release = 10;
  EXPECT_EQ(rig.Run(), "");
  rig.sides[1]->release = 1;
  EXPECT_EQ(rig.Run(), "r w5");
  rig.sides[1]->release = 1;
  EXPECT_EQ(rig.Run(), "r b1");
  EXPECT_FALSE(rig.chain->busy());
}

TEST(Union, RowsOfAllInputsKeepTheirPlaceBeforeControlElements) {
  std::vector<ChainLink> links;
  links.push_back({MakeCheckingOperator(std::make_unique<Union>(), "union"), "union", "uid", "union", ""});
  Chain chain(std::move(links));
  ASSERT_TRUE(chain.Open({}).ok());
  std::string out;
  std::int64_t watermark_ms = 0;
  for (const std::uint32_t input : {0u, 2u, 1u, 0u}) {
    ASSERT_TRUE(chain.accepting());
    ASSERT_TRUE(chain.Push(input, Row(input)).ok());
    ASSERT_TRUE(chain.Push(0, columnar::Watermark{watermark_ms++}).ok());
    ASSERT_TRUE(chain.Step().ok());
    while (chain.has_output()) {
      const auto element = chain.TakeOutput();
      if (const auto* batch = std::get_if<columnar::DataBatch>(&element))
        out += "r" + std::to_string(static_cast<const arrow::Int64Array&>(*batch->records()->column(0)).Value(0));
      if (const auto* w = std::get_if<columnar::Watermark>(&element)) out += "w" + std::to_string(w->event_time_ms);
    }
  }
  EXPECT_EQ(out, "r0w0r2w1r1w2r0w3");
}

TEST(Chain, WhatAnOperatorEmitsAtItsEndComesBeforeTheEnd) {
  Rig rig(2);
  ASSERT_TRUE(rig.chain->Push(0, columnar::EndOfInput{}).ok());
  EXPECT_EQ(rig.Run(), "");  // the first one's last row is outstanding in the second
  rig.sides[1]->release = 1;
  EXPECT_EQ(rig.Run(), "r r e");
  EXPECT_FALSE(rig.chain->accepting());
}

TEST(Chain, ASlowOperatorHoldsBackTheOnesBeforeIt) {
  Rig rig(3);
  rig.sides[0]->release = rig.sides[1]->release = 1000;
  int taken = 0;
  for (; taken < 1000 && rig.chain->accepting(); ++taken) {
    ASSERT_TRUE(rig.chain->Push(0, Row(taken)).ok());
    EXPECT_EQ(rig.Run(), "");
  }
  EXPECT_LT(taken, 30);
  rig.sides[2]->release = 1000;
  std::string out;
  for (int i = 0; i < 100; ++i) out += rig.Run();
  EXPECT_EQ(std::count(out.begin(), out.end(), 'r'), taken);
}

TEST(Chain, NamesTheOperatorThatFailed) {
  class Failing final : public Operator {
   public:
    Status Open(const OperatorContext&) override { return Status::OK(); }
    Status Process(std::uint32_t, columnar::DataBatch, Collector*) override { return Status::Invalid("no"); }
  };
  std::vector<ChainLink> links;
  links.push_back({std::make_unique<Failing>(), "bad", "uid-bad", "bad one", "job.py:3"});
  Chain chain(std::move(links));
  ASSERT_TRUE(chain.Open({}).ok());
  ASSERT_TRUE(chain.Push(0, Row(1)).ok());
  EXPECT_FALSE(chain.Step().ok());
  ASSERT_NE(chain.failed_link(), nullptr);
  EXPECT_EQ(chain.failed_link()->uid, "uid-bad");
}

/// Acknowledges only when told.
class SlowWriter final : public connector::SinkWriter {
 public:
  Status Open(const connector::ConnectorContext&) override { return Status::OK(); }
  bool writable() const override { return true; }
  Status Write(const columnar::DataBatch&) override {
    ++written;
    return Status::OK();
  }
  void RequestFlush() override { flush_asked = true; }
  bool flushed() const override { return acknowledged; }
  Status Poll() override { return Status::OK(); }
  void RequestStop() override {}
  int written = 0;
  bool flush_asked = false, acknowledged = false;
};

TEST(SinkOperator, TheEndWaitsForEveryAcknowledgement) {
  auto made = std::make_unique<SlowWriter>();
  SlowWriter* writer = made.get();
  std::vector<ChainLink> links;
  links.push_back({std::make_unique<SinkOperator>(std::move(made), connector::ConnectorContext{}), "sink", "sink", "sink", ""});
  Chain chain(std::move(links));
  ASSERT_TRUE(chain.Open({}).ok());
  ASSERT_TRUE(chain.Push(0, Row(1)).ok());
  ASSERT_TRUE(chain.Push(0, columnar::EndOfInput{}).ok());
  while (chain.Step().ValueOrDie()) {
  }
  EXPECT_EQ(writer->written, 1);
  EXPECT_TRUE(writer->flush_asked);
  EXPECT_FALSE(chain.has_output());
  writer->acknowledged = true;
  while (chain.Step().ValueOrDie()) {
  }
  EXPECT_TRUE(chain.has_output());
}

}  // namespace
}  // namespace headrace::data::op
