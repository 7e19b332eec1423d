#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace headrace::test_support {

/// Forwards loopback connections to another port, and breaks them the way a network does. Owns one thread; stops when destroyed.
class TcpProxy {
 public:
  explicit TcpProxy(std::uint16_t target) : target_(target) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TcpProxy() {
    stopped_ = true;
    thread_.join();
    for (const Pair& pair : pairs_) Close(pair);
    close(listener_);
  }

  std::uint16_t port() const { return port_; }
  /// The next bytes from the server are thrown away and the connection is cut: the request was heard, its reply is lost.
  void LoseNextReply() { lose_next_reply_ = true; }
  /// Accepted connections are cut at once, existing ones now; until called with false.
  void CutAll(bool cut) { cut_ = cut; }
  /// Bytes from the server are held back, connections stay open: a server that hangs.
  void HoldReplies(bool hold) { hold_ = hold; }
  int lost_replies() const { return lost_replies_; }

 private:
  struct Pair {
    int client, server;
  };
  static sockaddr_in Loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static void Close(const Pair& pair) {
    close(pair.client);
    close(pair.server);
  }
  static bool Copy(int from, int to) {
    std::array<char, 65536> buffer;
    const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t n = send(to, buffer.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += n;
    }
    return got > 0;
  }

  void Accept() {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_);
    if (client < 0 || cut_ || connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      return Close({client, server});
    pairs_.push_back({client, server});
  }

  /// False when the pair is to be cut.
  bool Move(const Pair& pair, bool from_client, bool from_server) {
    if (cut_) return false;
    if (from_server && lose_next_reply_.exchange(false)) {
      ++lost_replies_;
      return false;
    }
    return (!from_client || Copy(pair.client, pair.server)) && (!from_server || Copy(pair.server, pair.client));
  }

  void Serve() {
    while (!stopped_) {
      std::vector<pollfd> fds{{listener_, POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        fds.push_back({pair.client, POLLIN, 0});
        fds.push_back({pair.server, static_cast<short>(hold_ ? 0 : POLLIN), 0});
      }
      poll(fds.data(), fds.size(), 5);
      std::vector<Pair> kept;
      for (std::size_t i = 0; i < pairs_.size(); ++i) {
        if (Move(pairs_[i], fds[1 + 2 * i].revents != 0, !hold_ && fds[2 + 2 * i].revents != 0))
          kept.push_back(pairs_[i]);
        else
          Close(pairs_[i]);
      }
      pairs_ = std::move(kept);
      if (fds[0].revents != 0) Accept();
    }
  }

  const std::uint16_t target_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopped_{false}, lose_next_reply_{false}, cut_{false}, hold_{false};
  std::atomic<int> lost_replies_{0};
  std::vector<Pair> pairs_;  // the thread's
  std::thread thread_;
};

}  // namespace headrace::test_support
