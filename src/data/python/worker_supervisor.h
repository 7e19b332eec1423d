#pragma once
#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "data/python/worker_link.h"
#include "data/python/worker_output.h"
#include "data/python/worker_pool.h"
#include "data/python/worker_process.h"

namespace headrace::data::python {

/// The pool of worker processes: one thread that starts them (so that they die with it), and watches sockets, process ends,
/// printed lines and deadlines with one epoll. Owns the processes; links are shared with stages.
/// Stop: RequestStop() asks the workers to end and kills what is left after the grace time; Join() waits for the thread.
class WorkerSupervisor final : public WorkerPool {
 public:
  explicit WorkerSupervisor(WorkerPoolOptions options) : options_(std::move(options)) {}
  ~WorkerSupervisor() override;
  /// Starts the thread and the processes; answers when all are started or one could not be.
  Status Start();
  Result<std::unique_ptr<Stage>> LoadStage(const StageSpec& spec, std::uint32_t slot, Waker* waker) override;
  std::vector<int> pids() const override;
  void RequestStop() override;
  void Join() override;

 private:
  enum class Channel : std::uint32_t { kSocket, kProcess, kOut, kErr, kControl };
  struct Worker {
    std::shared_ptr<WorkerLink> link;
    SpawnedProcess process;
    std::unique_ptr<WorkerOutput> out, err;
    bool exited = false;
    bool stopping = false;  // its end is wanted and explains itself
    std::optional<MonotonicTime> kill_at;
  };
  void Run(std::promise<Status> started);
  Status StartWorkers();
  Result<std::unique_ptr<Worker>> StartWorker(std::uint32_t index);
  Status Watch(int fd, std::uint32_t worker, Channel channel);
  void Wait();
  void OnEvent(std::uint32_t worker, Channel channel);
  void OnSocket(Worker& worker);
  void OnExit(Worker& worker);
  void CheckDeadlines();
  void Kill(Worker& worker, const Status& why);
  Status ExplainExit(Worker& worker, int code, int status) const;
  void BeginStop();
  bool AllExited() const;
  void Arm(MonotonicTime deadline);
  int WaitMs();

  WorkerPoolOptions options_;
  Clock& clock_ = SystemClock();
  Descriptor epoll_, control_;
  std::vector<std::unique_ptr<Worker>> workers_;    // supervisor thread only
  std::vector<std::shared_ptr<WorkerLink>> links_;  // fixed once started
  std::atomic<std::int64_t> armed_ns_{0};           // when the supervisor wakes by itself
  std::atomic<bool> stop_requested_{false};
  bool stop_begun_ = false;
  std::atomic<std::uint64_t> next_stage_{1};
  mutable std::mutex pids_mutex_;
  std::vector<int> pids_;
  std::thread thread_;
};

}  // namespace headrace::data::python
