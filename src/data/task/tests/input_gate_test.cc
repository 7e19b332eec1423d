#include "data/task/input_gate.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "columnar/value_column.h"
#include "data/task/tests/fake_exchange.h"

namespace headrace::data::task {
namespace {

/// A gate over channels that the test fills.
class InputGateTest : public testing::Test {
 protected:
  /// `input` of all channels; without it each has its own.
  void Make(std::uint32_t channels, std::optional<std::uint32_t> input = std::nullopt) {
    std::vector<InputGate::Port> ports;
    for (std::uint32_t i = 0; i < channels; ++i) {
      const exchange::ChannelId id{JobId("j"), 1, 0, i, 0};
      ports.push_back({input.value_or(i), exchange_.RegisterInput(id, 1 << 20, nullptr).ValueOrDie()});
      outputs_.push_back(exchange_.OpenOutput(id, {}, 0, nullptr).ValueOrDie());
    }
    gate_.emplace(std::move(ports));
  }
  void Send(std::size_t channel, columnar::StreamElement element) { ASSERT_TRUE(outputs_[channel]->Write(std::move(element)).ok()); }
  void SendRow(std::size_t channel, std::int64_t value = 1) { SendRows(channel, 1, value); }
  void SendRows(std::size_t channel, int rows, std::int64_t value = 1) {
    columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
    for (int i = 0; i < rows; ++i) ASSERT_TRUE(builder.AppendInt(value).ok());
    Send(channel, builder.Finish().ValueOrDie());
  }
  /// Everything that comes out, in short: "0" a batch of input 0, "w5" watermark 5, "b7" barrier 7, "i"/"a" idle/active, "e" end.
  std::string Out() {
    std::string out;
    for (;;) {
      auto event = gate_->Poll().ValueOrDie();
      if (!event) return out;
      out += out.empty() ? "" : " ";
      if (columnar::IsData(event->element)) out += std::to_string(event->input);
      if (const auto* w = std::get_if<columnar::Watermark>(&event->element)) out += "w" + std::to_string(w->event_time_ms);
      if (const auto* b = std::get_if<columnar::Barrier>(&event->element)) out += "b" + std::to_string(b->checkpoint_id);
      if (const auto* s = std::get_if<columnar::WatermarkStatus>(&event->element)) out += s->idle ? "i" : "a";
      if (std::holds_alternative<columnar::EndOfInput>(event->element)) out += "e";
    }
  }
  FakeExchange exchange_;
  std::vector<std::shared_ptr<exchange::OutputChannel>> outputs_;
  std::optional<InputGate> gate_;
};

TEST_F(InputGateTest, AFullChannelDoesNotStarveAnother) {
  Make(2);
  gate_->KeepApart();
  for (int i = 0; i < 3; ++i) SendRow(0);
  SendRow(1);
  EXPECT_EQ(Out(), "0 1 0 0");
}

TEST_F(InputGateTest, SmallBatchesThatAreReadyComeAsOneInTheOrderOfTheirChannels) {
  Make(2, /*input=*/0);
  for (int i = 0; i < 3; ++i) SendRow(0, i);
  SendRow(1, 10);
  const auto event = gate_->Poll().ValueOrDie();
  ASSERT_TRUE(event && columnar::IsData(event->element));
  const auto& records = *std::get<columnar::DataBatch>(event->element).records();
  ASSERT_TRUE(records.ValidateFull().ok());
  ASSERT_EQ(records.num_rows(), 4);
  std::vector<std::int64_t> of_first;
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::int64_t value = static_cast<const arrow::Int64Array&>(*records.column(0)).Value(i);
    if (value < 10) of_first.push_back(value);
  }
  EXPECT_EQ(of_first, (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(Out(), "");
}

TEST_F(InputGateTest, RowsThatWaitStayBeforeTheWatermarkBehindThem) {
  Make(2, /*input=*/0);
  SendRow(0);
  Send(0, columnar::Watermark{5});
  SendRow(0);
  SendRow(1);
  Send(1, columnar::Watermark{7});
  EXPECT_EQ(Out(), "0 w5 0");
  SendRow(1);
  Send(1, columnar::EndOfInput{});
  SendRow(0);
  Send(0, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "0 e");
}

TEST_F(InputGateTest, LargeBatchesAndOtherColumnsPassAsTheyAre) {
  Make(2, /*input=*/0);
  SendRow(0);
  SendRows(1, 5000);
  EXPECT_EQ(Out(), "0 0");
  SendRow(0);
  columnar::ValueBatchBuilder text(columnar::ValueForm::kUtf8);
  ASSERT_TRUE(text.AppendBytes("x").ok());
  Send(1, text.Finish().ValueOrDie());
  SendRow(0);
  EXPECT_EQ(Out(), "0 0 0");
}

TEST_F(InputGateTest, TheWatermarkIsTheLeastOfLiveChannels) {
  Make(2);
  Send(0, columnar::Watermark{10});
  EXPECT_EQ(Out(), "");
  Send(1, columnar::Watermark{5});
  EXPECT_EQ(Out(), "w5");
  Send(1, columnar::WatermarkStatus{true});
  EXPECT_EQ(Out(), "w10");
  Send(0, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "i") << "what is left is idle";
  Send(1, columnar::WatermarkStatus{false});
  Send(1, columnar::Watermark{7});
  Send(1, columnar::Watermark{12});
  EXPECT_EQ(Out(), "a w12");
  Send(1, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "e");
}

TEST_F(InputGateTest, TheLastChannelThatBecomesIdleLetsTheNewestWatermarkPass) {
  Make(2);
  Send(0, columnar::Watermark{10});
  Send(1, columnar::Watermark{5});
  Send(0, columnar::WatermarkStatus{true});
  EXPECT_EQ(Out(), "w5");
  Send(1, columnar::WatermarkStatus{true});
  EXPECT_EQ(Out(), "w10 i");
}

TEST_F(InputGateTest, ABarrierWaitsForAllAndHoldsBackTheChannelThatIsAhead) {
  Make(2);
  Send(0, columnar::Barrier{7, 0});
  SendRow(0);
  SendRow(1);
  EXPECT_EQ(Out(), "1");
  Send(1, columnar::Barrier{7, 0});
  EXPECT_EQ(Out(), "b7 0");
}

TEST_F(InputGateTest, ALaterBarrierReplacesAnEarlierOne) {
  Make(2);
  Send(0, columnar::Barrier{7, 0});
  EXPECT_EQ(Out(), "");
  Send(1, columnar::Barrier{8, 0});
  Send(0, columnar::Barrier{8, 0});
  EXPECT_EQ(Out(), "b8");
}

TEST_F(InputGateTest, AnEndCountsAsEveryLaterBarrier) {
  Make(2);
  Send(0, columnar::Barrier{7, 0});
  SendRow(0);
  Send(1, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "b7 0");
  Send(0, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "e");
  EXPECT_EQ(Out(), "");
}

}  // namespace
}  // namespace headrace::data::task
