#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/waker.h"
#include "data/python/arena.h"
#include "data/python/descriptor.h"
#include "data/python/worker_pool.h"
#include "data/python/worker_protocol.h"

namespace headrace::data::python {

/// What a stage and the link of its worker share. Shared by the stage and the link's outstanding trips.
struct StageState {
  std::uint64_t id = 0;
  std::string names;  ///< "split -> pair", for errors
  std::string first_uid;
  bool keyed = false;  ///< ends in key_by
  bool reduce = false;
  std::atomic<int> trips{0};
  std::atomic<bool> waiting{false};  ///< accepting() said no: wake the task once something is free

  std::mutex mutex;  ///< guards what follows; held while a callback runs, so that closing waits for it
  bool closed = false;
  Waker* waker = nullptr;
  Status status;  ///< why nothing can run any more

  void Wake();
  void SetFailed(const Status& why);
};

/// The TaskManager's end of the conversation with one worker process: arenas, outstanding requests in order, their deadline.
/// Trusts nothing the worker says. Owned by the pool, shared with stages; thread-safe: stages send from task threads,
/// the pool's supervisor thread receives. After Fail() everything outstanding is answered and nothing is sent any more.
class WorkerLink {
 public:
  struct Options {
    std::vector<std::string> sys_path;
    Duration batch_timeout{}, start_timeout{};
    Clock* clock = nullptr;
    std::function<void(MonotonicTime)> arm;  ///< called when a deadline appears that the supervisor may not know yet
  };
  static Result<std::shared_ptr<WorkerLink>> Make(Descriptor socket, std::uint32_t arenas, Options options);
  WorkerLink(Descriptor socket, Options options) : options_(std::move(options)), socket_(std::move(socket)) {}

  // Task threads.
  void AddStage(const std::shared_ptr<StageState>& stage, const StageSpec& spec);
  void DropStage(const std::shared_ptr<StageState>& stage);
  bool CanStart(StageState& stage);
  /// Sends one trip. An error means that it was not taken.
  Status Start(const std::shared_ptr<StageState>& stage, const columnar::DataBatch& batch, const ReduceInput* reduce, StageCallback done);
  /// As above for stages with a kind; the answer is the caller's to check.
  Status Start(const std::shared_ptr<StageState>& stage, const TripBody& body, TripCallback done);

  // Supervisor thread.
  int socket() const { return socket_.get(); }
  /// Takes every datagram that is there. An error is a breach of the protocol; *closed is set at the end of the stream.
  Status OnReadable(bool* closed);
  /// When the worker must have answered; nothing when it owes no answer.
  std::optional<MonotonicTime> Deadline() const;
  bool ready() const;
  /// Names of the stage whose answer is due, "" when none is; and its first operator's uid.
  std::pair<std::string, std::string> CurrentWork() const;
  void Fail(const Status& why);
  void SendStop();

 private:
  struct Request {
    std::uint64_t id = 0;
    bool load = false;
    std::uint32_t arena = 0;
    std::shared_ptr<StageState> stage;
    /// Takes the answer; an error is a breach of the protocol, which the callback was told already.
    std::function<Status(Result<TripAnswer>)> done;
  };
  struct ArenaPair {
    Arena in, out;
    bool busy = false;
  };
  struct PendingLoad {
    std::shared_ptr<StageState> stage;
    std::string description;
  };
  Status SendHello();
  Status SendLocked(const Datagram& datagram);
  void SendNextLoadLocked();
  void PushLocked(Request request);
  std::optional<std::uint32_t> TakeArenaLocked();
  std::optional<Request> TakeAnswered(const Datagram& datagram, bool load);
  void FreeArena(std::uint32_t arena);
  Status Handle(const Datagram& datagram);
  Status HandleDone(const Datagram& datagram);
  Status HandleFailed(const Datagram& datagram);
  Status HandleLoaded(const Datagram& datagram);
  Status Send(const std::shared_ptr<StageState>& stage, const TripBody& body, std::function<Status(Result<TripAnswer>)> done);
  static Status Deliver(const Request& request, Result<TripAnswer> answer);

  Options options_;
  Descriptor socket_;
  std::vector<std::unique_ptr<ArenaPair>> arenas_;
  mutable std::mutex mutex_;  // guards what follows and ArenaPair::busy; taken before a stage's mutex, never after it
  bool ready_ = false;
  Status failure_;
  MonotonicTime started_{}, front_since_{};
  std::uint64_t next_request_ = 1;
  std::deque<Request> outstanding_;
  std::deque<PendingLoad> loads_;
  std::vector<std::shared_ptr<StageState>> stages_;
};

}  // namespace headrace::data::python
