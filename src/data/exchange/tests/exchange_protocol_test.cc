// What a peer may do wrong, spoken over a plain socket, and peers that are not there or not who they should be.
#include <arpa/inet.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "data/exchange/channel.h"
#include "data/exchange/remote/frame.h"
#include "data/exchange/remote/frame_reader.h"

namespace headrace::data::exchange {
namespace {

class CountingWaker final : public Waker {
 public:
  void Wake() override {}
};

template <typename Condition>
bool Await(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

ChannelId Channel(std::uint32_t consumer = 0, DeploymentNumber deployment = 1) { return {JobId("job"), deployment, 0, 0, consumer}; }

/// Speaks the format by hand.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~RawPeer() { close(fd_); }
  void SendBytes(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void Send(FrameType type, std::uint32_t channel, std::uint64_t sequence, const std::string& text, std::uint32_t deployment = 1) {
    FrameHeader header;
    header.type = type;
    header.channel = channel;
    header.deployment = deployment;
    header.sequence = sequence;
    const OutFrame frame = MakeFrame(header, text);
    SendBytes(std::string(frame.header.begin(), frame.header.end()) + frame.text);
  }
  void Greet() {
    Send(FrameType::kHello, 0, 0, EncodeHello({kExchangeVersion, "tm1", "one", "tm2", "two"}));
    EXPECT_EQ(Read().header.type, FrameType::kWelcome);
  }
  void Open(std::uint32_t number, const ChannelId& id) { Send(FrameType::kOpen, number, 0, EncodeOpen(id), id.deployment); }
  void Watermark(std::uint32_t number, std::uint64_t sequence) {
    Send(FrameType::kControl, number, sequence, EncodeControl(columnar::Watermark{static_cast<std::int64_t>(sequence)}));
  }
  /// The next frame; a close counts as REJECT with the sequence 0.
  Frame Read() {
    while (frames_.empty()) {
      std::array<iovec, 2> buffers;
      const int parts = reader_.NextBuffers(&buffers);
      const ssize_t count = readv(fd_, buffers.data(), parts);
      if (count <= 0) {
        Frame closed;
        closed.header.type = FrameType::kReject;
        return closed;
      }
      EXPECT_TRUE(reader_.Received(static_cast<std::size_t>(count), &frames_).ok());
    }
    Frame frame = std::move(frames_.front());
    frames_.erase(frames_.begin());
    return frame;
  }
  bool IsClosed() {
    const Frame frame = Read();
    return frame.header.type == FrameType::kReject && frame.header.sequence == 0;
  }

 private:
  int fd_;
  FrameReader reader_;
  std::vector<Frame> frames_;
};

class ExchangeProtocol : public testing::Test {
 protected:
  void SetUp() override { exchange_ = MakeExchange({"tm2", "two", "127.0.0.1", 0, true}).ValueOrDie(); }
  std::shared_ptr<InputChannel> Register(const ChannelId& id) { return exchange_->RegisterInput(id, 4096, &waker_).ValueOrDie(); }
  CountingWaker waker_;
  std::unique_ptr<Exchange> exchange_;
};

TEST_F(ExchangeProtocol, AGapInTheSequenceFailsThatChannelOnly) {
  const auto broken = Register(Channel(0)), healthy = Register(Channel(1));
  RawPeer peer(exchange_->port());
  peer.Greet();
  peer.Open(1, Channel(0));
  peer.Open(2, Channel(1));
  EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  peer.Watermark(1, 0);
  peer.Watermark(1, 2);
  const Frame close = peer.Read();
  EXPECT_EQ(close.header.type, FrameType::kClose);
  EXPECT_EQ(close.header.channel, 1u);
  EXPECT_EQ(close.header.sequence, static_cast<std::uint64_t>(CloseReason::kBroken));
  ASSERT_TRUE(Await([&] { return !broken->Poll().ok(); }));
  EXPECT_EQ(CodeOf(broken->Poll().status()), ErrorCode::kExchangeBroken);
  EXPECT_NE(broken->Poll().status().message().find("frame 2 came where 1 was due"), std::string::npos) << broken->Poll().status().message();
  peer.Watermark(1, 3);  // late frames of a closed channel are dropped
  peer.Watermark(2, 0);
  ASSERT_TRUE(Await([&] { return healthy->ready(); }));
  EXPECT_TRUE(healthy->Poll().ok());
}

TEST_F(ExchangeProtocol, FramesOfAReleasedDeploymentAreDroppedAndTheConnectionStays) {
  const auto old_input = Register(Channel(0, 1));
  RawPeer peer(exchange_->port());
  peer.Greet();
  peer.Open(1, Channel(0, 1));
  EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  exchange_->Release(JobId("job"), 1);
  EXPECT_EQ(peer.Read().header.type, FrameType::kClose);
  peer.Watermark(1, 0);
  const auto input = Register(Channel(0, 2));
  peer.Open(2, Channel(0, 2));
  EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  peer.Open(3, Channel(0, 1));
  const Frame refused = peer.Read();
  EXPECT_EQ(refused.header.type, FrameType::kRefuse);
  EXPECT_EQ(refused.header.sequence, static_cast<std::uint64_t>(RefuseReason::kSuperseded));
}

TEST_F(ExchangeProtocol, AFrameOfAnotherDeploymentIsNotTaken) {
  const auto input = Register(Channel(0, 1));
  RawPeer peer(exchange_->port());
  peer.Greet();
  peer.Open(1, Channel(0, 1));
  EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  peer.Send(FrameType::kControl, 1, 0, EncodeControl(columnar::EndOfInput{}), /*deployment=*/2);
  ASSERT_TRUE(Await([&] { return !input->Poll().ok(); }));
}

TEST_F(ExchangeProtocol, BatchesThatCannotBeReadFailTheChannel) {
  const auto no_schema = Register(Channel(0)), bad_schema = Register(Channel(1)), bad_batch = Register(Channel(2));
  RawPeer peer(exchange_->port());
  peer.Greet();
  peer.Open(1, Channel(0));
  peer.Open(2, Channel(1));
  peer.Open(3, Channel(2));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(peer.Read().header.type, FrameType::kAccept);
  FrameHeader header;
  header.type = FrameType::kData;
  header.channel = 1;
  header.deployment = 1;
  header.metadata_bytes = 8;
  header.body_bytes = 64;
  std::string bytes(kFrameHeaderBytes + 64, '\0');
  EncodeHeader(header, reinterpret_cast<std::uint8_t*>(bytes.data()));
  peer.SendBytes(bytes);
  peer.Send(FrameType::kSchema, 2, 0, "nonsense");
  EXPECT_TRUE(Await([&] { return !no_schema->Poll().ok() && !bad_schema->Poll().ok(); }));
  // The end behind a batch that cannot be read does not hide the loss.
  peer.Send(FrameType::kSchema, 3, 0,
            columnar::EncodeSchema(arrow::Schema({arrow::field("value", arrow::int64())})).ValueOrDie()->ToString());
  header.channel = 3;
  header.sequence = 1;
  EncodeHeader(header, reinterpret_cast<std::uint8_t*>(bytes.data()));
  peer.SendBytes(bytes);
  peer.Send(FrameType::kControl, 3, 2, EncodeControl(columnar::EndOfInput{}));
  peer.Open(4, Channel(3));
  EXPECT_EQ(peer.Read().header.type, FrameType::kClose) << "of channel 1";
  EXPECT_EQ(peer.Read().header.type, FrameType::kClose) << "of channel 2";
  EXPECT_EQ(peer.Read().header.type, FrameType::kRefuse) << "all before it has arrived";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(CodeOf(bad_batch->Poll().status()), ErrorCode::kExchangeBroken) << "the error, for ever";
}

TEST_F(ExchangeProtocol, WhoSpeaksNonsenseIsCutOff) {
  for (const std::string& nonsense :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n                    "), std::string(64, '\xff'), std::string(64, '\0')}) {
    RawPeer peer(exchange_->port());
    peer.SendBytes(nonsense);
    EXPECT_TRUE(peer.IsClosed());
  }
  {
    RawPeer peer(exchange_->port());
    peer.Open(1, Channel());
    EXPECT_TRUE(peer.IsClosed()) << "a channel before the greeting";
  }
  {
    RawPeer peer(exchange_->port());
    FrameHeader header;
    header.type = FrameType::kSchema;
    header.body_bytes = 1 << 20;
    std::string bytes(kFrameHeaderBytes, '\0');
    EncodeHeader(header, reinterpret_cast<std::uint8_t*>(bytes.data()));
    peer.SendBytes(bytes);
    EXPECT_TRUE(peer.IsClosed()) << "a long frame before the greeting";
  }
  for (auto type : {FrameType::kControl, FrameType::kCredit}) {
    RawPeer peer(exchange_->port());
    peer.Greet();
    peer.Send(type, 7, 0, type == FrameType::kControl ? EncodeControl(columnar::EndOfInput{}) : "");
    EXPECT_TRUE(peer.IsClosed()) << "a channel that was never opened, or a frame that only consumers send";
  }
  // Meanwhile others are served.
  RawPeer peer(exchange_->port());
  peer.Greet();
}

TEST_F(ExchangeProtocol, AGreetingForAnotherProcessOrVersionIsAnswered) {
  {
    RawPeer peer(exchange_->port());
    peer.Send(FrameType::kHello, 0, 0, EncodeHello({kExchangeVersion, "tm1", "one", "tm2", "an older incarnation"}));
    const Frame reject = peer.Read();
    EXPECT_EQ(reject.header.type, FrameType::kReject);
    EXPECT_EQ(reject.header.sequence, static_cast<std::uint64_t>(RejectReason::kOtherProcess));
  }
  RawPeer peer(exchange_->port());
  peer.Send(FrameType::kHello, 0, 0, EncodeHello({99, "tm1", "one", "tm2", "two"}));
  const Frame reject = peer.Read();
  EXPECT_EQ(reject.header.sequence, static_cast<std::uint64_t>(RejectReason::kVersion));
  EXPECT_NE(reject.text().find("99"), std::string::npos);
  EXPECT_TRUE(peer.IsClosed());
}

TEST_F(ExchangeProtocol, AnOutputToAnotherIncarnationFailsAtOnce) {
  const auto producer = MakeExchange({"tm1", "one", "127.0.0.1", 0, true}).ValueOrDie();
  const auto output =
      producer->OpenOutput(Channel(), {"tm2", "before the restart", "127.0.0.1", exchange_->port()}, 600'000, &waker_).ValueOrDie();
  ASSERT_TRUE(Await([&] { return !output->status().ok(); }));
  EXPECT_EQ(CodeOf(output->status()), ErrorCode::kExchangeBroken);
  EXPECT_NE(output->status().message().find("tm2"), std::string::npos) << output->status().message();
  // The right one is another connection.
  const auto input = Register(Channel(1));
  const auto right = producer->OpenOutput(Channel(1), {"tm2", "two", "localhost", exchange_->port()}, 20'000, &waker_).ValueOrDie();
  EXPECT_TRUE(Await([&] { return right->writable(); })) << right->status().ToString();
}

TEST_F(ExchangeProtocol, APeerThatStartsLateIsAskedAgain) {
  const std::uint16_t port = exchange_->port();
  exchange_.reset();
  const auto producer = MakeExchange({"tm1", "one", "127.0.0.1", 0, false}).ValueOrDie();
  const auto output = producer->OpenOutput(Channel(), {"tm2", "two", "127.0.0.1", port}, 20'000, &waker_).ValueOrDie();
  const auto hopeless = producer->OpenOutput(Channel(1), {"tm3", "three", "127.0.0.1", port}, 60, &waker_).ValueOrDie();
  ASSERT_TRUE(Await([&] { return !hopeless->status().ok(); }));
  EXPECT_NE(hopeless->status().message().find("refused"), std::string::npos) << hopeless->status().message();
  EXPECT_FALSE(output->writable());
  exchange_ = MakeExchange({"tm2", "two", "127.0.0.1", port, true}).ValueOrDie();
  const auto input = Register(Channel());
  EXPECT_TRUE(Await([&] { return output->writable(); })) << output->status().ToString();
}

TEST_F(ExchangeProtocol, ALostConnectionNamesThePeerAtBothEnds) {
  const auto input = Register(Channel());
  auto producer = MakeExchange({"tm1", "one", "127.0.0.1", 0, true}).ValueOrDie();
  const auto output = producer->OpenOutput(Channel(), {"tm2", "two", "127.0.0.1", exchange_->port()}, 20'000, &waker_).ValueOrDie();
  ASSERT_TRUE(Await([&] { return output->writable(); }));
  producer.reset();
  ASSERT_TRUE(Await([&] { return input->ready(); }));
  const Status lost = input->Poll().status();
  EXPECT_EQ(CodeOf(lost), ErrorCode::kExchangeBroken);
  EXPECT_NE(lost.message().find("tm1"), std::string::npos) << lost.message();

  const auto second = Register(Channel(1));
  producer = MakeExchange({"tm1", "again", "127.0.0.1", 0, true}).ValueOrDie();
  const auto other = producer->OpenOutput(Channel(1), {"tm2", "two", "127.0.0.1", exchange_->port()}, 20'000, &waker_).ValueOrDie();
  ASSERT_TRUE(Await([&] { return other->writable(); }));
  exchange_.reset();
  ASSERT_TRUE(Await([&] { return !other->status().ok(); }));
  EXPECT_EQ(CodeOf(other->status()), ErrorCode::kExchangeBroken);
  EXPECT_NE(other->status().message().find("tm2"), std::string::npos) << other->status().message();
}

}  // namespace
}  // namespace headrace::data::exchange
