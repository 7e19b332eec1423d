#pragma once
#include <cstdint>
#include <string>

namespace headrace::wire {

struct RpcServerOptions {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 picks a free one
};

}  // namespace headrace::wire
