#include "data/exchange/channel_board.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "columnar/value_column.h"
#include "data/exchange/channel.h"
#include "data/task/input_gate.h"

namespace headrace::data::task {
namespace {

/// Counts wakes, and lets a thread wait for one.
class CountingWaker final : public Waker {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  }
  int wakes() {
    std::lock_guard lock(mutex_);
    return wakes_;
  }
  /// Waits until there were more than `wakes` of them.
  bool WaitFor(int wakes) {
    std::unique_lock lock(mutex_);
    return woken_.wait_for(lock, std::chrono::seconds(30), [&] { return wakes_ > wakes; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
};

columnar::DataBatch Row(std::int64_t value) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
  EXPECT_TRUE(builder.AppendInt(value).ok());
  return builder.Finish().ValueOrDie();
}

std::int64_t NumRows(const InputGate::Event& event) { return std::get<columnar::DataBatch>(event.element).num_rows(); }

/// A gate whose producers are in the same process, by the exchange itself.
class ChannelBoardTest : public testing::Test {
 protected:
  void Make(std::uint32_t channels) {
    exchange::ExchangeOptions options;
    options.listen = false;
    exchange_ = exchange::MakeExchange(options).ValueOrDie();
    outputs_.clear();
    std::vector<InputGate::Port> ports;
    for (std::uint32_t i = 0; i < channels; ++i) {
      const exchange::ChannelId id{JobId("j"), 1, 0, i, 0};
      ports.push_back({0, exchange_->RegisterInput(id, 1 << 20, &waker_).ValueOrDie()});
      outputs_.push_back(exchange_->OpenOutput(id, {}, 10'000, &producer_).ValueOrDie());
      EXPECT_TRUE(outputs_.back()->open());
    }
    gate_.emplace(std::move(ports));
    // The first one is queued, and tells the producer of the board.
    for (auto& output : outputs_) EXPECT_EQ(output->Write(columnar::Watermark{0}), Status::OK());
    while (gate_->Poll().ValueOrDie()) {
    }
  }
  void TearDown() override {
    gate_.reset();
    exchange_->Release(JobId("j"), 1);
    exchange_->RequestStop();
    exchange_->Join();
  }
  void Write(std::size_t channel, columnar::StreamElement element) { ASSERT_TRUE(outputs_[channel]->Write(std::move(element)).ok()); }
  /// All that comes out: "r2" two rows, "w5" a watermark, "b1" a barrier.
  std::string Out() {
    std::string out;
    while (auto event = gate_->Poll().ValueOrDie()) {
      out += out.empty() ? "" : " ";
      if (columnar::IsData(event->element)) out += "r" + std::to_string(NumRows(*event));
      if (const auto* w = std::get_if<columnar::Watermark>(&event->element)) out += "w" + std::to_string(w->event_time_ms);
      if (const auto* b = std::get_if<columnar::Barrier>(&event->element)) out += "b" + std::to_string(b->checkpoint_id);
      if (const auto* s = std::get_if<columnar::WatermarkStatus>(&event->element)) out += s->idle ? "i" : "a";
      if (std::holds_alternative<columnar::EndOfInput>(event->element)) out += "e";
    }
    return out;
  }

  CountingWaker waker_, producer_;
  std::unique_ptr<exchange::Exchange> exchange_;
  std::vector<std::shared_ptr<exchange::OutputChannel>> outputs_;
  std::optional<InputGate> gate_;
};

TEST_F(ChannelBoardTest, WatermarksKeepTheirPlaceAmongRows) {
  Make(1);
  Write(0, Row(1));
  Write(0, columnar::Watermark{10});
  Write(0, Row(2));
  Write(0, Row(3));
  Write(0, columnar::Watermark{20});
  EXPECT_EQ(Out(), "r1 w10 r2 w20");
  Write(0, columnar::Watermark{30});
  Write(0, columnar::WatermarkStatus{true});
  Write(0, columnar::WatermarkStatus{false});
  Write(0, columnar::Watermark{40});
  Write(0, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "w30 i a w40 e");
}

TEST_F(ChannelBoardTest, OnlyTheChannelThatHoldsEventTimeBackWakes) {
  Make(3);
  Write(0, columnar::Watermark{10});
  EXPECT_EQ(Out(), "");  // the first one was awaited; now it is one of the others
  int wakes = waker_.wakes();
  Write(0, columnar::Watermark{20});
  EXPECT_EQ(waker_.wakes(), wakes);
  EXPECT_FALSE(gate_->ready());
  Write(1, columnar::Watermark{15});
  Write(2, columnar::Watermark{12});
  EXPECT_GT(waker_.wakes(), wakes);
  EXPECT_TRUE(gate_->ready());
  EXPECT_EQ(Out(), "w12");
  EXPECT_FALSE(gate_->ready());
}

TEST_F(ChannelBoardTest, AWatermarkBehindABarrierWaitsForTheOthers) {
  Make(2);
  Write(0, columnar::Barrier{1, 0});
  EXPECT_EQ(Out(), "");
  Write(0, columnar::Watermark{10});
  Write(1, columnar::Watermark{20});
  EXPECT_EQ(Out(), "");
  EXPECT_FALSE(gate_->ready());
  Write(1, columnar::Barrier{1, 0});
  EXPECT_EQ(Out(), "b1 w10");
}

TEST_F(ChannelBoardTest, AnIdleChannelIsNotAwaited) {
  Make(2);
  Write(0, columnar::WatermarkStatus{true});
  Write(1, columnar::Watermark{10});
  EXPECT_EQ(Out(), "w10");
  const int wakes = waker_.wakes();
  Write(1, columnar::Watermark{20});
  EXPECT_GT(waker_.wakes(), wakes);
  EXPECT_EQ(Out(), "w20");
  Write(1, columnar::EndOfInput{});
  EXPECT_EQ(Out(), "i");
  Write(0, columnar::WatermarkStatus{false});
  Write(0, columnar::Watermark{30});
  EXPECT_EQ(Out(), "a w30");
}

TEST_F(ChannelBoardTest, AnyOrderOfWritesAndReadsKeepsEachChannelsOrderAndLosesNoWake) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    outputs_.clear();
    const std::size_t channels = 1 + random() % 70;
    Make(static_cast<std::uint32_t>(channels));
    std::vector<std::int64_t> wrote_ms(channels);
    std::int64_t rows_in = 0, rows_out = 0, watermark_ms = 0;
    for (int step = 0; step < 3000; ++step) {
      const std::size_t channel = random() % channels;
      if (random() % 4 != 0) {
        const bool was_ready = gate_->ready();
        const int wakes = waker_.wakes();
        if (random() % 3 == 0) {
          Write(channel, Row(1));
          ++rows_in;
        } else {
          Write(channel, columnar::Watermark{wrote_ms[channel] += 1 + static_cast<std::int64_t>(random() % 50)});
        }
        const bool woken = waker_.wakes() > wakes;
        EXPECT_TRUE(woken || was_ready || !gate_->ready());
        continue;
      }
      const std::int64_t least = *std::min_element(wrote_ms.begin(), wrote_ms.end());
      const bool all = random() % 2 == 0;
      do {
        const auto event = gate_->Poll().ValueOrDie();
        if (!event) {
          // Nothing is left: all rows are here, and event time is where the slowest is.
          EXPECT_EQ(rows_out, rows_in);
          EXPECT_EQ(watermark_ms, least);
          EXPECT_FALSE(gate_->ready());
          break;
        }
        if (columnar::IsData(event->element)) rows_out += NumRows(*event);
        if (const auto* w = std::get_if<columnar::Watermark>(&event->element)) {
          EXPECT_GT(w->event_time_ms, watermark_ms);
          EXPECT_LE(w->event_time_ms, least);
          watermark_ms = w->event_time_ms;
        }
      } while (all);
    }
    TearDown();
  }
  Make(1);
}

/// Rows carry the number of watermarks that their producer has written before them: a row must come before the gate's watermark passes
/// the next one of its channel.
TEST_F(ChannelBoardTest, ProducersOfOtherThreadsNeverOvertakeTheirRows) {
  constexpr std::int64_t kTurns = 20'000;
  constexpr std::size_t kChannels = 3;
  Make(kChannels);
  gate_->KeepApart();
  std::vector<std::thread> producers;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    producers.emplace_back([this, channel] {
      std::mt19937_64 random(channel);
      for (std::int64_t turn = 1; turn <= kTurns; ++turn) {
        if (random() % 4 == 0) {
          while (!outputs_[channel]->writable()) std::this_thread::yield();
          EXPECT_TRUE(outputs_[channel]->Write(Row(turn)).ok());
        }
        EXPECT_TRUE(outputs_[channel]->Write(columnar::Watermark{turn}).ok());
      }
    });
  }
  std::int64_t watermark_ms = 0;
  while (watermark_ms < kTurns) {
    const int wakes = waker_.wakes();
    const auto event = gate_->Poll().ValueOrDie();
    if (!event) {
      if (gate_->ready()) continue;
      ASSERT_TRUE(waker_.WaitFor(wakes)) << "a wake was lost at watermark " << watermark_ms;
      continue;
    }
    if (const auto* w = std::get_if<columnar::Watermark>(&event->element)) watermark_ms = w->event_time_ms;
    if (!columnar::IsData(event->element)) continue;
    const auto& values = *std::get<columnar::DataBatch>(event->element).records()->column_data(0);
    EXPECT_GT(values.GetValues<std::int64_t>(1)[0], watermark_ms) << "a row came behind its own watermark";
  }
  for (std::thread& producer : producers) producer.join();
}

}  // namespace
}  // namespace headrace::data::task
