#pragma once
#include <arrow/type_fwd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/waker.h"
#include "columnar/data_batch.h"
#include "plan/job_graph.h"

namespace headrace::data::python {

/// Python operators that run back to back in one worker trip; the body of LOAD in docs/formats/worker.md.
struct StageSpec {
  struct Function {
    plan::PythonFunction::Verb verb;
    OperatorUid uid;
    std::string name;
    std::string pickled;
    std::uint32_t in_flight = 0;  ///< calls that it waits for at a time; 0 = none
  };
  std::vector<Function> functions;
  std::string kind = {};   ///< how the functions are run; empty: verbs over untyped rows. The others: docs/formats/worker.md
  std::string setup = {};  ///< of other kinds: what they need to know, a value-encoded dict

  std::uint32_t most_in_flight() const {
    std::uint32_t most = 0;
    for (const Function& function : functions) most = std::max(most, function.in_flight);
    return most;
  }
};

/// What a reduce trip carries beside its rows: groups[i] = index into states of row i; states[g] = value-encoded accumulator, empty = none
/// yet.
struct ReduceInput {
  std::vector<std::int64_t> groups;
  std::vector<std::string_view> states;
};

/// Answer of one trip.
struct StageResult {
  columnar::DataBatch batch;                        ///< value, and key when the stage ends in key_by
  std::shared_ptr<arrow::LargeBinaryArray> states;  ///< reduce only: new value-encoded accumulators, one a group
  std::uint64_t user_nanoseconds = 0;               ///< time spent inside the functions
};
using StageCallback = std::function<void(Result<StageResult>)>;  ///< on the supervisor's thread: post it on

/// What a trip of a stage with a kind carries: it is written straight into shared memory.
class TripBody {
 public:
  virtual ~TripBody() = default;
  virtual std::uint64_t size() const = 0;
  /// Writes exactly size() bytes; `out` is 8-byte aligned.
  virtual void Write(std::uint8_t* out) const = 0;
};
/// What came back, as the worker wrote it: nothing in it is checked. The bytes are private and 64-byte aligned.
struct TripAnswer {
  std::shared_ptr<arrow::Buffer> bytes;
  std::uint64_t user_nanoseconds = 0;
};
using TripCallback = std::function<void(Result<TripAnswer>)>;  ///< on the supervisor's thread: post it on

/// One stage loaded into one worker. Trips are answered in order. Thread: owner's task; callbacks on the supervisor's.
/// When the worker fails, every outstanding and later trip answers with the failure (kPythonRaised with traceback, kPythonCrashed,
/// kPythonHung).
class Stage {
 public:
  virtual ~Stage() = default;  ///< drops the stage; callbacks never run after the destructor returns
  /// False: all arenas are in use; the waker given at LoadStage is woken.
  virtual bool accepting() const = 0;
  /// Why the stage can run nothing any more, e.g. its functions could not be loaded; OK while it can. The waker is woken.
  virtual Status status() const = 0;
  virtual Status Run(columnar::DataBatch batch, StageCallback done) = 0;
  virtual Status RunReduce(columnar::DataBatch batch, ReduceInput input, StageCallback done) = 0;
  /// Of stages with a kind. `body` is written before the call returns. TooLarge when it has more than an arena takes.
  virtual Status RunTrip(const TripBody& body, TripCallback done) = 0;
};

struct WorkerPoolOptions {
  std::string python_executable;
  std::string job_id;
  std::vector<std::string> sys_path;  ///< unpacked archives
  std::uint32_t workers = 1;
  std::uint32_t arenas_per_worker = 4;
  std::int64_t batch_timeout_ms = 30'000;
  std::int64_t start_timeout_ms = 30'000;
  std::int64_t stop_grace_ms = 500;          ///< from the request to stop to SIGKILL
  std::string working_directory;             ///< empty: the parent's
  std::int64_t max_address_space_bytes = 0;  ///< RLIMIT_AS; 0 = none
  std::uint32_t uid = 0, gid = 0;            ///< not 0: the worker drops to these (needs CAP_SETUID)
};

/// Supervises the worker processes of one job on one TaskManager: starts, watches, times out, ends them. Owned by the job's
/// entry in the TaskManager. Destructor and Stop() leave no process, descriptor or thread behind.
class WorkerPool {
 public:
  virtual ~WorkerPool() = default;
  /// Starts loading on the worker of `slot` (slot mod workers). The stage accepts trips at once; a failed load fails them.
  virtual Result<std::unique_ptr<Stage>> LoadStage(const StageSpec& spec, std::uint32_t slot, Waker* waker) = 0;
  /// Processes alive, for metrics and tests.
  virtual std::vector<int> pids() const = 0;
  virtual void RequestStop() = 0;
  virtual void Join() = 0;
};
Result<std::unique_ptr<WorkerPool>> StartWorkerPool(const WorkerPoolOptions& options);

}  // namespace headrace::data::python
