#pragma once
#include <cstdint>
#include <string>

namespace headrace {

/// A source of random numbers behind an interface, so that the simulator can replay a seed. Not thread-safe: one owner each.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t NextUint64() = 0;
  /// Uniform in [0, bound), bound > 0.
  std::uint64_t Uniform(std::uint64_t bound) { return NextUint64() % bound; }
  /// Uniform in [0, 1).
  double NextDouble() { return static_cast<double>(NextUint64() >> 11) * 0x1.0p-53; }
  /// `digits` lower-case hex digits.
  std::string NextHex(int digits);
};

/// splitmix64 from a seed; the same seed gives the same numbers on every machine.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t NextUint64() override;

 private:
  std::uint64_t state_;
};

/// From the kernel; for ids and tokens.
class SystemRandom final : public Random {
 public:
  std::uint64_t NextUint64() override;
};

}  // namespace headrace
