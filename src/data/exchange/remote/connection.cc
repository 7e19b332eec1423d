#include "data/exchange/remote/connection.h"

#include <arrow/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headrace::data::exchange {
namespace {

constexpr int kMaxIovecs = 128;
constexpr std::int64_t kMaxWriteBytes = 1 << 20;
// A task's thread writes at most this much of what others queued before it goes on with its own work.
constexpr std::int64_t kCallerBudgetBytes = 512 << 10;
constexpr std::int64_t kLoopBudgetBytes = 4 << 20;
constexpr std::int64_t kReadBudgetBytes = 4 << 20;
constexpr Duration kLingerTime = std::chrono::seconds(5);
constexpr std::int64_t kBodyAlignment = 8, kMetadataAlignment = 64;
constexpr std::uint8_t kZeros[kMetadataAlignment] = {};

/// Calls `take(data, size)` for every part of a frame as it goes over the wire.
template <typename Take>
void ForEachPart(const OutFrame& frame, Take take) {
  auto padding = [&take](std::int64_t size, std::int64_t alignment) {
    if (size % alignment != 0) take(kZeros, static_cast<std::size_t>(alignment - size % alignment));
  };
  take(frame.header.data(), frame.header.size());
  if (!frame.text.empty()) take(reinterpret_cast<const std::uint8_t*>(frame.text.data()), frame.text.size());
  if (frame.metadata == nullptr) return;
  take(frame.metadata->data(), static_cast<std::size_t>(frame.metadata->size()));
  padding(frame.metadata->size(), kMetadataAlignment);
  for (const auto& buffer : frame.buffers) {
    if (buffer == nullptr || buffer->size() == 0) continue;
    take(buffer->data(), static_cast<std::size_t>(buffer->size()));
    padding(buffer->size(), kBodyAlignment);
  }
}

}  // namespace

void SetSocketOptions(int fd) {
  auto set = [fd](int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof(value)); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
}

Connection::Connection(IoLoop* loop, int fd, bool connecting, std::string peer_name)
    : loop_(loop), fd_(fd), connecting_(connecting), peer_name_(std::move(peer_name)), writable_(!connecting) {
  SetSocketOptions(fd);
}

Connection::~Connection() { close(fd_); }

Status Connection::Start(std::shared_ptr<ConnectionHandler> handler) {
  handler_ = std::move(handler);
  HR_ASSIGN_OR_RAISE(watch_id_, loop_->Watch(fd_, shared_from_this()));
  started_ = true;
  return Status::OK();
}

void Connection::Send(OutFrame frame) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    queue_.push_back(std::move(frame));
    if (flushing_ || !writable_) return;
    flushing_ = true;
  }
  Flush(kCallerBudgetBytes);
}

int Connection::FillIovecs(iovec* vectors, int max) {
  int count = 0;
  std::int64_t bytes = 0, skip = head_sent_;
  for (const OutFrame& frame : queue_) {
    if (count >= max || bytes >= kMaxWriteBytes) break;
    ForEachPart(frame, [&](const std::uint8_t* data, std::size_t size) {
      const auto skipped = static_cast<std::size_t>(std::min<std::int64_t>(skip, static_cast<std::int64_t>(size)));
      skip -= static_cast<std::int64_t>(skipped);
      if (skipped == size || count >= max) return;
      vectors[count++] = {const_cast<std::uint8_t*>(data + skipped), size - skipped};
      bytes += static_cast<std::int64_t>(size - skipped);
    });
  }
  return count;
}

void Connection::DropWritten(std::size_t count, std::vector<OutFrame>* done) {
  head_sent_ += static_cast<std::int64_t>(count);
  while (!queue_.empty() && head_sent_ >= queue_.front().total_bytes) {
    head_sent_ -= queue_.front().total_bytes;
    done->push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

/// Entered with flushing_ set by the caller, who is the only flusher until it is cleared.
void Connection::Flush(std::int64_t budget_bytes) {
  std::array<iovec, kMaxIovecs> vectors;
  std::vector<OutFrame> done;  // freed without the lock
  std::int64_t written_bytes = 0;
  while (true) {
    msghdr message{};
    {
      std::lock_guard lock(mutex_);
      if (closed_ || queue_.empty()) {
        flushing_ = false;
        if (!closed_ && close_when_drained_) PostDrained();
        return;
      }
      if (written_bytes >= budget_bytes) {
        flushing_ = false;
        // The loop goes on; it calls back here when nobody else did.
        loop_->Post([self = shared_from_this()] { self->OnEvents(EPOLLOUT); });
        return;
      }
      message.msg_iov = vectors.data();
      message.msg_iovlen = static_cast<std::size_t>(FillIovecs(vectors.data(), kMaxIovecs));
    }
    const ssize_t count = sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    const int error = count < 0 ? errno : 0;
    done.clear();
    std::lock_guard lock(mutex_);
    if (count >= 0) {
      written_bytes += count;
      DropWritten(static_cast<std::size_t>(count), &done);
      continue;
    }
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      if (std::exchange(edge_seen_, false)) continue;
      writable_ = false;
    } else if (!closed_) {
      loop_->Post([self = shared_from_this(), error] { self->Close(Status::IOError(std::strerror(error))); });
    }
    flushing_ = false;
    return;
  }
}

void Connection::PostDrained() {
  loop_->Post([self = shared_from_this()] { self->EndSending(); });
}

/// What the peer has sent meanwhile must be read first: a close with unread bytes would reset the connection and lose
/// what is still on its way to the peer.
void Connection::EndSending() {
  if (handler_ == nullptr || std::exchange(sending_ended_, true)) return;
  shutdown(fd_, SHUT_WR);
  loop_->PostAfter(kLingerTime, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Close(Status::OK());
  });
}

void Connection::CloseWhenDrained() {
  std::lock_guard lock(mutex_);
  close_when_drained_ = true;
  if (queue_.empty() && !flushing_) PostDrained();
}

void Connection::Close(const Status& why) {
  std::deque<OutFrame> dropped;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    if (!flushing_) dropped.swap(queue_);
  }
  if (started_) loop_->Unwatch(fd_, watch_id_);
  shutdown(fd_, SHUT_RDWR);
  if (const auto handler = std::exchange(handler_, nullptr)) handler->OnClosed(why);
}

void Connection::OnEvents(std::uint32_t events) {
  const auto self = shared_from_this();
  if (connecting_) {
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) FinishConnecting();
    if (connecting_) return;
  }
  if (events & EPOLLOUT) {
    bool flush = false;
    {
      std::lock_guard lock(mutex_);
      if (flushing_) {
        edge_seen_ = true;
      } else if (!closed_) {
        writable_ = true;
        flush = flushing_ = !queue_.empty();
      }
    }
    if (flush) Flush(kLoopBudgetBytes);
  }
  constexpr std::uint32_t kEnds = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  ended_ |= (events & kEnds) != 0;
  if (events & (EPOLLIN | kEnds)) ReadSome(ended_);
}

void Connection::FinishConnecting() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    Close(Status::IOError(std::strerror(error)));
    return;
  }
  connecting_ = false;
  {
    std::lock_guard lock(mutex_);
    writable_ = true;
  }
  if (handler_ != nullptr) handler_->OnConnected();
}

bool Connection::TakeRead(std::size_t count) {
  frames_.clear();
  Status status = reader_.Received(count, &frames_);
  for (auto& frame : frames_) {
    if (handler_ == nullptr) return false;
    const Status handled = handler_->OnFrame(std::move(frame));
    if (!handled.ok()) {
      Close(handled);
      return false;
    }
  }
  if (!status.ok()) Close(status);
  return status.ok() && handler_ != nullptr;
}

void Connection::ReadSome(bool until_end) {
  std::int64_t read_bytes = 0;
  while (handler_ != nullptr) {
    if (read_bytes >= kReadBudgetBytes) {
      loop_->ReadAgain(watch_id_);
      return;
    }
    std::array<iovec, 2> vectors;
    const int parts = reader_.NextBuffers(&vectors);
    std::size_t room = 0;
    for (int i = 0; i < parts; ++i) room += vectors[static_cast<std::size_t>(i)].iov_len;
    const ssize_t count = readv(fd_, vectors.data(), parts);
    if (count == 0) {
      Close(Status::IOError("the peer closed the connection"));
      return;
    }
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) Close(Status::IOError(std::strerror(errno)));
      return;
    }
    read_bytes += count;
    if (!TakeRead(static_cast<std::size_t>(count))) return;
    // A short read empties the socket: what comes later, the end included, is another edge.
    if (static_cast<std::size_t>(count) < room && !until_end) return;
  }
}

}  // namespace headrace::data::exchange
