#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/exchange/remote/frame.h"
#include "data/exchange/remote/frame_reader.h"
#include "data/exchange/remote/io_loop.h"

namespace headrace::data::exchange {

class Connection;

/// What a connection tells the side that uses it. Loop thread only.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  /// The socket is connected (outgoing ones only).
  virtual void OnConnected() {}
  /// An error ends the connection.
  virtual Status OnFrame(Frame frame) = 0;
  /// Called once, last.
  virtual void OnClosed(const Status& why) = 0;
};

/// One TCP connection with frames both ways. Send() from any thread: the caller writes as much as the socket takes at once,
/// the loop's thread writes the rest, and never two of them at a time. Start() and Close() on the loop's thread.
/// The descriptor closes with the last reference, so that no writer ever meets a number that is used again.
class Connection final : public Watcher, public std::enable_shared_from_this<Connection> {
 public:
  /// Takes the descriptor, which is non-blocking and connected or connecting.
  Connection(IoLoop* loop, int fd, bool connecting, std::string peer_name);
  ~Connection() override;
  Status Start(std::shared_ptr<ConnectionHandler> handler);
  /// Queues the frame and tries to write it. Dropped after the close.
  void Send(OutFrame frame);
  /// Fails the handler and drops what is queued.
  void Close(const Status& why);
  /// Once everything queued is written: ends the sending side, and closes when the peer does.
  void CloseWhenDrained();
  /// Longer frames end the connection; small until the peer has greeted. Loop thread.
  void LimitFrames(std::int64_t max_body_bytes) { reader_.LimitBodies(max_body_bytes); }
  void OnEvents(std::uint32_t events) override;
  const std::string& peer_name() const { return peer_name_; }

 private:
  void FinishConnecting();
  void ReadSome(bool until_end);
  bool TakeRead(std::size_t count);
  void Flush(std::int64_t budget_bytes);
  int FillIovecs(struct iovec* vectors, int max);
  void DropWritten(std::size_t count, std::vector<OutFrame>* done);
  void PostDrained();
  void EndSending();

  IoLoop* const loop_;
  const int fd_;
  bool connecting_;
  const std::string peer_name_;
  std::shared_ptr<ConnectionHandler> handler_;  // loop thread
  std::uint64_t watch_id_ = 0;
  bool started_ = false;
  bool ended_ = false;          // the peer sends no more
  bool sending_ended_ = false;  // loop thread
  FrameReader reader_;
  std::vector<Frame> frames_;

  std::mutex mutex_;
  std::deque<OutFrame> queue_;       // guarded by mutex_; only the flusher pops
  std::int64_t head_sent_ = 0;       // bytes of the first frame that are written; flusher only
  bool writable_;                    // guarded by mutex_; the socket may take bytes
  bool flushing_ = false;            // guarded by mutex_
  bool edge_seen_ = false;           // guarded by mutex_; an edge came while somebody flushed
  bool closed_ = false;              // guarded by mutex_
  bool close_when_drained_ = false;  // guarded by mutex_
};

/// Options of every exchange socket: no delay, and an end to peers that are gone without a word.
void SetSocketOptions(int fd);

}  // namespace headrace::data::exchange
