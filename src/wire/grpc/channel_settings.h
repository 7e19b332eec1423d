#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace grpc {
class Channel;
class ServerBuilder;
}  // namespace grpc

namespace headrace::wire {

/// Largest control message either way; what is larger travels as a blob.
inline constexpr std::size_t kMaxMessageBytes = 4u << 20;
/// Parts of a call above this size are fetched by hash instead of being sent along.
inline constexpr std::size_t kMaxInlineBytes = 256u << 10;
inline constexpr std::size_t kBlobChunkBytes = 1u << 20;
inline constexpr std::size_t kMaxBlobBytes = 128u << 20;

/// A channel of its own connection to one process: no proxies, no retries by the library, keepalive without calls.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& host, std::uint16_t port);
/// Limits, keepalive, and a port that no second process can share.
void ConfigureServer(grpc::ServerBuilder* builder);
/// "host:port", with brackets around an IPv6 address.
std::string JoinHostPort(const std::string& host, std::uint16_t port);

}  // namespace headrace::wire
