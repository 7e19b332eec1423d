#pragma once
#include <cstdint>

namespace headrace::data::python {

inline constexpr std::uint64_t kWorkerProtocolVersion = 2;
/// Workers refuse more; two descriptors an arena travel in one message.
inline constexpr std::uint32_t kMaxArenas = 64;

enum class MessageType : std::uint32_t {
  kHello = 1,
  kReady = 2,
  kLoad = 3,
  kLoaded = 4,
  kRun = 5,
  kDone = 6,
  kFailed = 7,
  kDrop = 8,
  kStop = 9
};

/// One message on the socket; docs/formats/worker.md.
struct Datagram {
  std::uint32_t type = 0, arena = 0;
  std::uint64_t request = 0, offset = 0, length = 0, arena_size = 0;
};
static_assert(sizeof(Datagram) == 40);

}  // namespace headrace::data::python
