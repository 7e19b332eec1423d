#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/ids.h"
#include "base/outcome.h"

namespace headrace::control::metastore {

/// The right to write: every fenced write carries it and is refused (kDeposed) once another holder took a higher epoch.
struct LeaderGrant {
  LeaderEpoch epoch = 0;
  Incarnation holder;
};

/// What of a job must outlive the process that runs it.
struct JobRecord {
  JobId id;
  std::string name;
  std::string job_file;  ///< the submitted envelope, byte for byte
  std::uint32_t parallelism_override = 0;
  std::int64_t submitted_wall_ms = 0;
  std::string idempotency_key;  ///< empty = none
  bool operator==(const JobRecord&) const = default;
};
/// The end of a job: written once, before any clean-up. A job with a result never runs again.
struct JobResult {
  JobId id;
  std::string state;         ///< FINISHED, FAILED or CANCELED
  std::string failure_json;  ///< what ended it; empty when it did not fail
  std::int64_t ended_wall_ms = 0;
  bool operator==(const JobResult&) const = default;
};
/// Splits with the positions resolved once, before the first read; a restart without a checkpoint reads from here again.
struct SplitRecord {
  OperatorUid source;
  std::string split_id;
  std::string payload;
  bool operator==(const SplitRecord&) const = default;
};

template <typename T>
using Answer = std::function<void(Outcome<T>)>;  ///< posted to the executor given at opening, exactly once

/// Durable metadata of the control plane: PostgreSQL, SQLite, or memory for the simulator. All calls return at once; one
/// contract suite runs against every implementation. Each write is one autocommit statement with the grant checked inside.
class Metastore {
 public:
  virtual ~Metastore() = default;

  /// Takes over: raises the epoch by one in favour of `holder` when `expected_epoch` is still current, or unconditionally
  /// when it is nullopt (a single JobManager at start). Answers the new grant.
  virtual void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected_epoch, std::string address,
                              Answer<LeaderGrant> answer) = 0;
  /// Renews the beat; not_done(kDeposed) when the grant is no longer current.
  virtual void RenewLeadership(LeaderGrant grant, Answer<Nothing> answer) = 0;
  struct Leader {
    LeaderEpoch epoch = 0;
    Incarnation holder;
    std::uint64_t beat = 0;
    std::string address;
  };
  virtual void ReadLeader(Answer<Leader> answer) = 0;

  /// Idempotent by id; the same id with other content is kConflict. With an idempotency key already used: kConflict, too
  /// (find the older job with FindByIdempotencyKey).
  virtual void InsertJob(LeaderGrant grant, std::shared_ptr<const JobRecord> job, Answer<Nothing> answer) = 0;
  virtual void FindByIdempotencyKey(std::string key, Answer<std::optional<JobId>> answer) = 0;
  /// Jobs without a result, oldest first: what a new leader has to run.
  virtual void ListUnfinished(Answer<std::vector<JobRecord>> answer) = 0;
  struct FinishedJob {
    JobRecord job;
    JobResult result;
  };  ///< job.job_file is left empty
  virtual void ListFinished(std::size_t newest, Answer<std::vector<FinishedJob>> answer) = 0;
  /// One job that has a result, however long ago it ended; nothing when there is none, or when it has not ended.
  virtual void FindFinished(JobId job, Answer<std::optional<FinishedJob>> answer) = 0;

  /// Adds splits that are not there yet; existing ones keep their stored payload. Answers all splits of the job, by source
  /// and split id. Unknown job: kNotFound; a job with a result: kConflict.
  virtual void InsertSplits(LeaderGrant grant, JobId job, std::vector<SplitRecord> splits, Answer<std::vector<SplitRecord>> answer) = 0;
  virtual void ListSplits(JobId job, Answer<std::vector<SplitRecord>> answer) = 0;

  /// The next deployment number of a job, durable before it is answered; never answered twice. Unknown job: kNotFound; a job
  /// with a result: kConflict.
  virtual void NextDeployment(LeaderGrant grant, JobId job, Answer<DeploymentNumber> answer) = 0;
  /// Writes the terminal state unless the job has one: then answers the one it has.
  virtual void InsertResult(LeaderGrant grant, JobResult result, Answer<JobResult> answer) = 0;

  /// For health checks: a round trip.
  virtual void Ping(Answer<Nothing> answer) = 0;
  virtual void RequestStop() = 0;
  virtual void Join() = 0;
};

/// In memory, for the simulator and unit tests; faults are injected by tests/simulation.
std::unique_ptr<Metastore> MakeMemoryMetastore(Executor* executor);
/// SQLite file, created with its folder; a second process on the same file is refused. Own thread for I/O.
Result<std::unique_ptr<Metastore>> OpenSqliteMetastore(const std::string& path, Executor* executor);
struct PostgresOptions {
  std::string host;
  std::uint16_t port = 5432;
  std::string database = "stream_processing", user = "postgres", password, sslmode = "prefer";
  std::int64_t connect_timeout_ms = 5000;
};
/// Connects in the background and reconnects with backoff; calls while it is away answer not_done/unknown kStoreUnavailable.
/// Migrations run on the first connection. Own thread for I/O.
Result<std::unique_ptr<Metastore>> OpenPostgresMetastore(const PostgresOptions& options, Executor* executor);

}  // namespace headrace::control::metastore
