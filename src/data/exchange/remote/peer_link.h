#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "data/exchange/remote/connection.h"
#include "data/exchange/remote/remote_output.h"

namespace headrace::data::exchange {

/// All outgoing channels to one process, over one connection that it opens when the first channel comes, opens again while
/// channels wait for their consumer, and closes with the last one. Loop thread only.
class PeerLink final : public ConnectionHandler, public std::enable_shared_from_this<PeerLink> {
 public:
  struct Self {
    std::string task_manager, incarnation;
  };
  /// `resolver` looks up host names off the loop. `on_empty` is told when no channel is left.
  PeerLink(IoLoop* loop, Executor* resolver, Self self, Endpoint peer, std::function<void()> on_empty);
  ~PeerLink() override;
  /// Asks the consumer for the channel until it answers, the channel fails or the time is over.
  void Open(std::shared_ptr<RemoteOutput> output, std::int64_t timeout_ms);
  /// Tells the consumer and forgets the channel.
  void Drop(const RemoteOutput* output);
  /// Fails every channel and closes the connection.
  void Stop(const Status& why);

  void OnConnected() override;
  Status OnFrame(Frame frame) override;
  void OnClosed(const Status& why) override;

 private:
  enum class Stage { kWaiting, kAsked, kOpen };
  struct Channel {
    std::shared_ptr<RemoteOutput> output;
    Stage stage = Stage::kWaiting;
    std::uint32_t number = 0;
    Duration backoff{};
    Status last_refusal;
  };
  void Connect();
  void ConnectTo(const std::vector<std::string>& addresses);
  void ConnectLater(const Status& why);
  void Ask(Channel* channel);
  void AskAgainLater(Channel* channel);
  void GiveUp(const RemoteOutput* output, std::int64_t timeout_ms);
  void SendClose(const Channel& channel, const char* text);
  Status OnRefuse(const Frame& frame);
  Status OnWelcome(const Frame& frame);
  void Forget(const RemoteOutput* output);
  void FailAll(const Status& why);
  std::string PeerName() const;
  Status Broken(const std::string& what) const;

  IoLoop* const loop_;
  Executor* const resolver_;
  const Self self_;
  const Endpoint peer_;
  const std::function<void()> on_empty_;
  std::map<const RemoteOutput*, Channel> channels_;
  std::map<std::uint32_t, const RemoteOutput*> by_number_;
  std::shared_ptr<Connection> connection_;
  bool greeted_ = false;
  bool connecting_ = false;
  bool stopped_ = false;
  std::uint32_t next_number_ = 1;
  std::uint64_t attempt_ = 0;  // counts connections, so that late timers know theirs is gone
  Duration connect_backoff_{};
};

}  // namespace headrace::data::exchange
