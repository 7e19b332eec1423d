// One suite for both transports: what the tasks rely on holds whether the consumer lives in this process or in another.
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <dirent.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "columnar/value_column.h"
#include "data/exchange/channel.h"

namespace headrace::data::exchange {
namespace {

using columnar::StreamElement;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Lets a test wait for what a task would be woken for.
class WaitingWaker final : public Waker {
 public:
  void Wake() override {
    {
      std::lock_guard lock(mutex_);
      ++wakes_;
    }
    changed_.notify_all();
  }
  template <typename Condition>
  bool Await(Condition condition, milliseconds limit = seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::unique_lock lock(mutex_);
    while (true) {
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      // Conditions that no waker tells about are looked at again now and then.
      if (changed_.wait_for(lock, milliseconds(20)) == std::cv_status::timeout && std::chrono::steady_clock::now() > end) return false;
    }
  }
  int wakes() const {
    std::lock_guard lock(mutex_);
    return wakes_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int wakes_ = 0;
};

columnar::DataBatch Numbers(std::int64_t first, std::int64_t count) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
  for (std::int64_t i = 0; i < count; ++i) EXPECT_TRUE(builder.AppendInt(first + i).ok());
  return builder.Finish().ValueOrDie();
}

std::int64_t NumberAt(const StreamElement& element, std::int64_t row) {
  return static_cast<const arrow::Int64Array&>(*std::get<columnar::DataBatch>(element).records()->column(0)).Value(row);
}

int OpenDescriptors() {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

ChannelId Channel(std::uint32_t consumer = 0, DeploymentNumber deployment = 1) {
  return {JobId("0123456789abcdef0123456789abcdef"), deployment, 3, 0, consumer};
}

class ExchangeContract : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    producer_ = MakeExchange({"tm1", "one", "127.0.0.1", 0, true}).ValueOrDie();
    if (remote()) consumer_ = MakeExchange({"tm2", "two", "127.0.0.1", 0, true}).ValueOrDie();
  }
  bool remote() const { return GetParam(); }
  Exchange& producer() { return *producer_; }
  Exchange& consumer() { return remote() ? *consumer_ : *producer_; }
  Endpoint ConsumerEndpoint() {
    return remote() ? Endpoint{"tm2", "two", "127.0.0.1", consumer_->port()} : Endpoint{"tm1", "one", "127.0.0.1", producer_->port()};
  }
  std::shared_ptr<InputChannel> Register(const ChannelId& id, std::int64_t credit = 64 << 10) {
    return consumer().RegisterInput(id, credit, &input_waker_).ValueOrDie();
  }
  std::shared_ptr<OutputChannel> Open(const ChannelId& id, std::int64_t timeout_ms = 20'000) {
    return producer().OpenOutput(id, ConsumerEndpoint(), timeout_ms, &output_waker_).ValueOrDie();
  }
  void AwaitWritable(OutputChannel& output) {
    ASSERT_TRUE(output_waker_.Await([&] { return output.writable(); })) << output.status().ToString();
  }
  /// The next element, waiting for it.
  StreamElement Next(InputChannel& input) {
    EXPECT_TRUE(input_waker_.Await([&] { return input.ready(); }));
    auto element = input.Poll();
    EXPECT_TRUE(element.ok()) << element.status().ToString();
    return element.ok() && element->has_value() ? **element : StreamElement(columnar::EndOfInput{});
  }

  WaitingWaker input_waker_, output_waker_;
  std::unique_ptr<Exchange> producer_, consumer_;
};

TEST_P(ExchangeContract, ElementsKeepTheirOrder) {
  const auto input = Register(Channel());
  const auto output = Open(Channel());
  AwaitWritable(*output);
  ASSERT_TRUE(output->Write(Numbers(1, 10)).ok());
  ASSERT_TRUE(output->Write(columnar::Watermark{-5}).ok());
  ASSERT_TRUE(output->Write(columnar::WatermarkStatus{true}).ok());
  ASSERT_TRUE(output->Write(Numbers(11, 5)).ok());
  ASSERT_TRUE(output->Write(columnar::Barrier{7, 6}).ok());
  ASSERT_TRUE(output->Write(columnar::EndOfInput{}).ok());
  StreamElement element = Next(*input);
  ASSERT_TRUE(columnar::IsData(element));
  EXPECT_EQ(NumberAt(element, 9), 10);
  element = Next(*input);
  EXPECT_EQ(std::get<columnar::Watermark>(element).event_time_ms, -5);
  element = Next(*input);
  EXPECT_TRUE(std::get<columnar::WatermarkStatus>(element).idle);
  element = Next(*input);
  EXPECT_EQ(NumberAt(element, 0), 11);
  element = Next(*input);
  EXPECT_EQ(std::get<columnar::Barrier>(element).checkpoint_id, 7u);
  EXPECT_EQ(std::get<columnar::Barrier>(element).base_checkpoint_id, 6u);
  element = Next(*input);
  EXPECT_TRUE(std::holds_alternative<columnar::EndOfInput>(element));
  EXPECT_FALSE(input->ready());
  EXPECT_FALSE(input->Poll().ValueOrDie().has_value());
}

TEST_P(ExchangeContract, EveryRowArrivesOnceUnderPressure) {
  const auto input = Register(Channel(), 8 << 10);
  const auto output = Open(Channel());
  constexpr std::int64_t kBatches = 3000, kRows = 200;
  std::thread producer([&] {
    for (std::int64_t i = 0; i < kBatches; ++i) {
      AwaitWritable(*output);
      if (!output->Write(Numbers(i * kRows, kRows)).ok()) return;
      if (i % 100 == 0 && !output->Write(columnar::Watermark{i}).ok()) return;
    }
    (void)output->Write(columnar::EndOfInput{});
  });
  std::int64_t next = 0, largest_queue = 0;
  while (true) {
    largest_queue = std::max(largest_queue, input->queued_bytes());
    const StreamElement element = Next(*input);
    if (std::holds_alternative<columnar::EndOfInput>(element)) break;
    if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) {
      EXPECT_EQ(watermark->event_time_ms * kRows + kRows, next);
      continue;
    }
    for (std::int64_t row = 0; row < kRows; ++row) ASSERT_EQ(NumberAt(element, row), next++);
  }
  producer.join();
  EXPECT_EQ(next, kBatches * kRows);
  EXPECT_LE(largest_queue, (8 << 10) + 4096) << "more was in flight than the credit and one batch";
}

TEST_P(ExchangeContract, ABlockedConsumerStopsItsProducerAndNobodyElse) {
  const auto blocked_input = Register(Channel(0), 4096);
  const auto free_input = Register(Channel(1), 4096);
  const auto blocked = Open(Channel(0)), free = Open(Channel(1));
  AwaitWritable(*blocked);
  AwaitWritable(*free);
  int taken = 0;
  while (blocked->writable() && taken < 1000) {
    ASSERT_TRUE(blocked->Write(Numbers(0, 100)).ok());
    ++taken;
  }
  EXPECT_LT(taken, 20);
  // Control elements need no credit.
  ASSERT_TRUE(blocked->Write(columnar::Barrier{1, 0}).ok());
  for (int i = 0; i < 2000; ++i) {
    AwaitWritable(*free);
    ASSERT_TRUE(free->Write(Numbers(i, 100)).ok());
    ASSERT_EQ(NumberAt(Next(*free_input), 0), i);
  }
  EXPECT_FALSE(blocked->writable());
  // What was blocked goes on where it stopped.
  for (int i = 0; i < taken; ++i) ASSERT_TRUE(columnar::IsData(Next(*blocked_input)));
  EXPECT_TRUE(std::holds_alternative<columnar::Barrier>(Next(*blocked_input)));
  AwaitWritable(*blocked);
}

TEST_P(ExchangeContract, AConsumerMayRegisterLater) {
  const auto output = Open(Channel());
  EXPECT_FALSE(output->writable());
  ASSERT_TRUE(output->Write(columnar::Watermark{1}).ok()) << "control elements are always taken";
  const auto refused = Open(Channel(1), 30);  // when this one has given up, the first was refused as well
  ASSERT_TRUE(output_waker_.Await([&] { return !refused->status().ok(); }));
  EXPECT_FALSE(output->writable());
  const auto input = Register(Channel());
  AwaitWritable(*output);
  EXPECT_EQ(std::get<columnar::Watermark>(Next(*input)).event_time_ms, 1);
}

TEST_P(ExchangeContract, AChannelThatNobodyTakesFailsAtItsDeadline) {
  const auto output = Open(Channel(), 50);
  ASSERT_TRUE(output_waker_.Await([&] { return !output->status().ok(); }));
  EXPECT_EQ(CodeOf(output->status()), ErrorCode::kExchangeBroken);
  EXPECT_NE(output->status().message().find("not registered"), std::string::npos) << output->status().message();
  EXPECT_FALSE(output->Write(columnar::Watermark{1}).ok());
}

TEST_P(ExchangeContract, ADeploymentThatIsOverIsRefused) {
  consumer().Release(Channel().job, 2);
  EXPECT_EQ(CodeOf(consumer().RegisterInput(Channel(0, 2), 4096, &input_waker_).status()), ErrorCode::kStaleAttempt);
  EXPECT_EQ(CodeOf(consumer().RegisterInput(Channel(0, 1), 4096, &input_waker_).status()), ErrorCode::kStaleAttempt);
  auto output = producer().OpenOutput(Channel(0, 2), ConsumerEndpoint(), 20'000, &output_waker_);
  if (remote()) {
    ASSERT_TRUE(output.ok());
    ASSERT_TRUE(output_waker_.Await([&] { return !(*output)->status().ok(); }));
    EXPECT_EQ(CodeOf((*output)->status()), ErrorCode::kStaleAttempt);
  } else {
    EXPECT_EQ(CodeOf(output.status()), ErrorCode::kStaleAttempt);
  }
  // The next deployment has nothing to do with it.
  const auto input = Register(Channel(0, 3));
  const auto next = Open(Channel(0, 3));
  AwaitWritable(*next);
}

TEST_P(ExchangeContract, ReleaseFailsBothEndsAndForgetsTheWakers) {
  const auto input = Register(Channel());
  const auto output = Open(Channel());
  AwaitWritable(*output);
  ASSERT_TRUE(output->Write(Numbers(0, 10)).ok());
  consumer().Release(Channel().job, 1);
  const int wakes = input_waker_.wakes();
  EXPECT_TRUE(input->ready());
  EXPECT_EQ(CodeOf(input->Poll().status()), ErrorCode::kStaleAttempt);
  EXPECT_EQ(input->queued_bytes(), 0);
  ASSERT_TRUE(output_waker_.Await([&] { return !output->status().ok(); }));
  EXPECT_EQ(CodeOf(output->status()), ErrorCode::kStaleAttempt);
  producer().Release(Channel().job, 1);
  producer().Release(Channel().job, 1);
  EXPECT_EQ(input_waker_.wakes(), wakes);
}

TEST_P(ExchangeContract, AReleasedProducerFailsItsConsumerButNotOneThatHasItsEnd) {
  const auto input = Register(Channel(0)), ended = Register(Channel(1));
  const auto output = Open(Channel(0)), ending = Open(Channel(1));
  AwaitWritable(*output);
  AwaitWritable(*ending);
  ASSERT_TRUE(ending->Write(Numbers(1, 1)).ok());
  ASSERT_TRUE(ending->Write(columnar::EndOfInput{}).ok());
  if (!remote()) return;  // in one process a release takes both ends
  producer().Release(Channel().job, 1);
  ASSERT_TRUE(input_waker_.Await([&] { return input->ready(); }));
  const auto failed = input->Poll();
  EXPECT_EQ(CodeOf(failed.status()), ErrorCode::kExchangeBroken);
  EXPECT_NE(failed.status().message().find("tm1"), std::string::npos) << failed.status().message();
  EXPECT_EQ(NumberAt(Next(*ended), 0), 1);
  EXPECT_TRUE(std::holds_alternative<columnar::EndOfInput>(Next(*ended)));
}

TEST_P(ExchangeContract, AStopFailsEverything) {
  const auto input = Register(Channel(0)), other_input = Register(Channel(1));
  const auto output = Open(Channel(0));
  AwaitWritable(*output);
  consumer().RequestStop();
  consumer().Join();
  EXPECT_FALSE(input->Poll().ok());
  ASSERT_TRUE(output_waker_.Await([&] { return !output->status().ok(); }));
  EXPECT_FALSE(output->writable());
}

TEST_P(ExchangeContract, LargeBatchesAndManySchemasPass) {
  const auto input = Register(Channel(), 1 << 20);
  const auto output = Open(Channel());
  AwaitWritable(*output);
  columnar::ValueBatchBuilder text(columnar::ValueForm::kUtf8);
  const std::string row(1 << 20, 'r');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(text.AppendBytes(row).ok());
  ASSERT_TRUE(output->Write(text.Finish().ValueOrDie()).ok());
  std::int64_t rows = 0;
  while (rows < 40) {
    const StreamElement element = Next(*input);
    ASSERT_TRUE(columnar::IsData(element));
    rows += std::get<columnar::DataBatch>(element).num_rows();
  }
  for (int i = 0; i < 20; ++i) {
    AwaitWritable(*output);
    ASSERT_TRUE(text.AppendBytes(std::to_string(i)).ok());
    ASSERT_TRUE(output->Write(i % 2 == 0 ? text.Finish().ValueOrDie() : Numbers(i, 3)).ok());
    const auto batch = std::get<columnar::DataBatch>(Next(*input));
    EXPECT_EQ(columnar::FormOf(*batch.records()->schema()->field(0)).ValueOrDie(),
              i % 2 == 0 ? columnar::ValueForm::kUtf8 : columnar::ValueForm::kInt64);
    ASSERT_TRUE(text.Finish().ok());
  }
}

TEST_P(ExchangeContract, TheSameChannelTwiceIsRefused) {
  const auto input = Register(Channel());
  EXPECT_FALSE(consumer().RegisterInput(Channel(), 4096, &input_waker_).ok());
  const auto output = Open(Channel());
  EXPECT_FALSE(producer().OpenOutput(Channel(), ConsumerEndpoint(), 1000, &output_waker_).ok());
  EXPECT_FALSE(consumer().RegisterInput(Channel(9), 0, &input_waker_).ok());
}

TEST_P(ExchangeContract, NoDescriptorIsLeftAfterRelease) {
  {  // whatever is made lazily exists from now on
    const auto input = Register(Channel(0, 1));
    const auto output = Open(Channel(0, 1));
    AwaitWritable(*output);
    consumer().Release(Channel().job, 1);
    producer().Release(Channel().job, 1);
  }
  const int listening_only = OpenDescriptors();
  for (DeploymentNumber deployment = 2; deployment < 20; ++deployment) {
    std::vector<std::shared_ptr<InputChannel>> inputs;
    std::vector<std::shared_ptr<OutputChannel>> outputs;
    for (std::uint32_t i = 0; i < 8; ++i) {
      inputs.push_back(Register(Channel(i, deployment)));
      outputs.push_back(Open(Channel(i, deployment)));
    }
    for (auto& output : outputs) {
      AwaitWritable(*output);
      ASSERT_TRUE(output->Write(Numbers(0, 1000)).ok());
    }
    producer().Release(Channel().job, deployment);
    consumer().Release(Channel().job, deployment);
  }
  // The tasks may still hold their ends: sockets go all the same.
  EXPECT_TRUE(output_waker_.Await([&] { return OpenDescriptors() <= listening_only; }))
      << OpenDescriptors() << " descriptors, " << listening_only << " before";
}

TEST_P(ExchangeContract, NothingIsHeldAfterAStopWhileFramesDrain) {
  const int before = OpenDescriptors();
  for (DeploymentNumber deployment = 1; deployment < 30; ++deployment) {
    auto from = MakeExchange({"tm3", "three", "127.0.0.1", 0, true}).ValueOrDie();
    const auto id = Channel(0, deployment);
    const auto input = Register(id, 4 << 20);
    const auto output = remote() ? from->OpenOutput(id, ConsumerEndpoint(), 20'000, &output_waker_).ValueOrDie() : Open(id);
    AwaitWritable(*output);
    ASSERT_TRUE(output->Write(Numbers(0, 100'000)).ok());
    from->Release(id.job, deployment);
    from.reset();  // at once: what was written may still be on its way
    consumer().Release(id.job, deployment);
  }
  EXPECT_TRUE(output_waker_.Await([&] { return OpenDescriptors() <= before; }))
      << OpenDescriptors() << " descriptors, " << before << " before";
}

INSTANTIATE_TEST_SUITE_P(Transports, ExchangeContract, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Remote" : "Local"; });

}  // namespace
}  // namespace headrace::data::exchange
