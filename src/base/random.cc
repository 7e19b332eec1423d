#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/status.h"

namespace headrace {

std::string Random::NextHex(int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(static_cast<std::size_t>(digits));
  std::uint64_t bits = 0;
  for (int i = 0; i < digits; ++i) {
    if (i % 16 == 0) bits = NextUint64();
    hex.push_back(kDigits[bits & 15]);
    bits >>= 4;
  }
  return hex;
}

// splitmix64: one multiply-shift chain a number, full period, no bad seeds.
std::uint64_t SeededRandom::NextUint64() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint64_t SystemRandom::NextUint64() {
  std::uint64_t value = 0;
  ssize_t got = 0;
  do {
    got = getrandom(&value, sizeof value, 0);
  } while (got < 0 && errno == EINTR);
  HR_CHECK(got == static_cast<ssize_t>(sizeof value), "the kernel gave no random bytes");
  return value;
}

}  // namespace headrace
