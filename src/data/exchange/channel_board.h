#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace headrace::data::exchange {

/// What the input channels of one consumer show side by side, so that a consumer of many need not look into each: which of them have
/// elements, and how far event time of each has come. A watermark stands here instead of in its channel's queue: it speaks for the rows
/// pushed before it, and holds once its channel is not ready, for then they have been taken.
/// Thread-safe: producers push and advance, the consumer reads.
class ChannelBoard {
 public:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  static constexpr std::int64_t kNoWatermark = std::numeric_limits<std::int64_t>::min();

  explicit ChannelBoard(std::size_t channels) : ready_((channels + 63) / 64), watermarks_(channels) {
    for (auto& watermark : watermarks_) watermark.store(kNoWatermark, std::memory_order_relaxed);
  }

  void SetReady(std::size_t channel) { ready_[channel / 64].fetch_or(Bit(channel), std::memory_order_release); }
  void ClearReady(std::size_t channel) { ready_[channel / 64].fetch_and(~Bit(channel), std::memory_order_release); }
  bool ready(std::size_t channel) const { return (ready_[channel / 64].load(std::memory_order_acquire) & Bit(channel)) != 0; }
  /// The first ready channel from `from` on, or kNone.
  std::size_t NextReady(std::size_t from) const {
    for (std::size_t word = from / 64; word < ready_.size(); ++word) {
      std::uint64_t bits = ready_[word].load(std::memory_order_acquire);
      if (word == from / 64) bits &= ~std::uint64_t{0} << (from % 64);
      if (bits != 0) return word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    }
    return kNone;
  }

  /// By the channel's one producer, behind what it has pushed. True when the consumer waits for this and must be woken.
  bool Advance(std::size_t channel, std::int64_t watermark_ms) {
    watermarks_[channel].store(watermark_ms, std::memory_order_seq_cst);
    return awaited_.load(std::memory_order_seq_cst) == channel;
  }
  /// To be read before ready() of the channel.
  std::int64_t watermark_ms(std::size_t channel) const { return watermarks_[channel].load(std::memory_order_seq_cst); }
  /// By the consumer: which channel's next watermark it must know of. It looks at that watermark again afterwards.
  void Await(std::size_t channel) { awaited_.store(channel, std::memory_order_seq_cst); }
  std::size_t awaited() const { return awaited_.load(std::memory_order_relaxed); }

 private:
  static std::uint64_t Bit(std::size_t channel) { return std::uint64_t{1} << (channel % 64); }

  std::vector<std::atomic<std::uint64_t>> ready_;  // a bit a channel
  std::vector<std::atomic<std::int64_t>> watermarks_;
  std::atomic<std::size_t> awaited_{kNone};
};

/// A channel's place on the board of its consumer.
struct BoardPlace {
  std::shared_ptr<ChannelBoard> board;
  std::size_t channel = 0;
};

}  // namespace headrace::data::exchange
