#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "base/executor.h"
#include "control/metastore/metastore.h"
#include "control/metastore/refusals.h"
#include "control/metastore/sqlite/sqlite_database.h"

namespace headrace::control::metastore {
namespace {

using Leader = Metastore::Leader;
using FinishedJob = Metastore::FinishedJob;

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

JobRecord ReadJob(const SqliteStatement& row) {
  return JobRecord{JobId(row.Bytes(0)), row.Bytes(1), row.Bytes(2), static_cast<std::uint32_t>(row.Int64(3)), row.Int64(4), row.Bytes(5)};
}

const std::string kFinishedJobs =
    "SELECT j.id, name, x'', parallelism_override, submitted_wall_ms, coalesce(idempotency_key, ''), state, failure_json, ended_wall_ms "
    "FROM job_result r JOIN job j ON j.id = r.job_id";

FinishedJob ReadFinished(const SqliteStatement& row) {
  JobRecord job = ReadJob(row);
  JobResult result{job.id, row.Bytes(6), row.Bytes(7), row.Int64(8)};
  return {std::move(job), std::move(result)};
}

/// The rows of one SQLite file. Owns the database and one thread that alone touches it; any thread may call. RequestStop()
/// lets what is queued answer that the store closes, Join() waits for that.
class SqliteMetastore final : public Metastore {
 public:
  SqliteMetastore(std::unique_ptr<SqliteDatabase> db, Executor* executor) : executor_(executor), db_(std::move(db)), io_("metastore") {}
  ~SqliteMetastore() override {
    RequestStop();
    Join();
  }

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected_epoch, std::string address,
                      Answer<LeaderGrant> answer) override {
    Write<LeaderGrant>(std::move(answer), [this, holder, expected_epoch, address]() -> Result<LeaderGrant> {
      HR_ASSIGN_OR_RAISE(auto raise,
                         db_->Prepare("UPDATE leader_epoch SET epoch = epoch + 1, holder = ?1 WHERE id = 1 AND (?2 < 0 OR epoch = ?2)"));
      HR_ASSIGN_OR_RAISE(const int raised, raise.BindText(holder.str()).Bind(expected_epoch ? Signed(*expected_epoch) : -1).Run());
      if (raised == 0) return EpochMoved(*expected_epoch);
      HR_ASSIGN_OR_RAISE(auto beat, db_->Prepare("UPDATE leader_beat SET beat = beat + 1, address = ?1 WHERE id = 1"));
      HR_RETURN_NOT_OK(beat.BindText(address).Run());
      HR_ASSIGN_OR_RAISE(const Leader leader, Read());
      return LeaderGrant{leader.epoch, leader.holder};
    });
  }

  void RenewLeadership(LeaderGrant grant, Answer<Nothing> answer) override {
    Write<Nothing>(std::move(answer), [this, grant]() -> Result<Nothing> {
      HR_RETURN_NOT_OK(Check(grant));
      HR_RETURN_NOT_OK(db_->Execute("UPDATE leader_beat SET beat = beat + 1 WHERE id = 1"));
      return Nothing{};
    });
  }

  void ReadLeader(Answer<Leader> answer) override {
    Do<Leader>(std::move(answer), [this] { return Read(); });
  }

  void InsertJob(LeaderGrant grant, std::shared_ptr<const JobRecord> job, Answer<Nothing> answer) override {
    Write<Nothing>(std::move(answer), [this, grant, job = std::move(job)]() -> Result<Nothing> {
      HR_RETURN_NOT_OK(CheckTexts(*job));
      HR_RETURN_NOT_OK(Check(grant));
      HR_ASSIGN_OR_RAISE(auto insert,
                         db_->Prepare("INSERT INTO job (id, name, job_file, parallelism_override, submitted_wall_ms, idempotency_key) "
                                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"));
      insert.BindText(job->id.str())
          .BindText(job->name)
          .BindBytes(job->job_file)
          .Bind(job->parallelism_override)
          .Bind(job->submitted_wall_ms);
      if (job->idempotency_key.empty())
        insert.BindNull();
      else
        insert.BindText(job->idempotency_key);
      HR_ASSIGN_OR_RAISE(const int inserted, insert.Run());
      if (inserted == 1) return Nothing{};
      HR_ASSIGN_OR_RAISE(
          auto same,
          db_->Prepare(
              "SELECT id, name, job_file, parallelism_override, submitted_wall_ms, coalesce(idempotency_key, '') FROM job WHERE id = ?1"));
      HR_ASSIGN_OR_RAISE(const bool found, same.BindText(job->id.str()).Step());
      if (!found) return KeyTaken(job->idempotency_key);
      if (!(ReadJob(same) == *job)) return OtherContent(job->id);
      return Nothing{};
    });
  }

  void FindByIdempotencyKey(std::string key, Answer<std::optional<JobId>> answer) override {
    Do<std::optional<JobId>>(std::move(answer), [this, key = std::move(key)]() -> Result<std::optional<JobId>> {
      HR_ASSIGN_OR_RAISE(auto find, db_->Prepare("SELECT id FROM job WHERE idempotency_key = ?1"));
      HR_ASSIGN_OR_RAISE(const bool found, find.BindText(key).Step());
      return found ? std::optional<JobId>(JobId(find.Bytes(0))) : std::nullopt;
    });
  }

  void ListUnfinished(Answer<std::vector<JobRecord>> answer) override {
    Do<std::vector<JobRecord>>(std::move(answer), [this]() -> Result<std::vector<JobRecord>> {
      HR_ASSIGN_OR_RAISE(
          auto list,
          db_->Prepare("SELECT id, name, job_file, parallelism_override, submitted_wall_ms, coalesce(idempotency_key, '') FROM job "
                       "WHERE id NOT IN (SELECT job_id FROM job_result) ORDER BY seq"));
      std::vector<JobRecord> jobs;
      for (;;) {
        HR_ASSIGN_OR_RAISE(const bool more, list.Step());
        if (!more) return jobs;
        jobs.push_back(ReadJob(list));
      }
    });
  }

  void ListFinished(std::size_t newest, Answer<std::vector<FinishedJob>> answer) override {
    Do<std::vector<FinishedJob>>(std::move(answer), [this, newest]() -> Result<std::vector<FinishedJob>> {
      HR_ASSIGN_OR_RAISE(auto list, db_->Prepare(kFinishedJobs + " ORDER BY r.seq DESC LIMIT ?1"));
      list.Bind(static_cast<std::int64_t>(std::min<std::size_t>(newest, 1'000'000)));
      std::vector<FinishedJob> jobs;
      for (;;) {
        HR_ASSIGN_OR_RAISE(const bool more, list.Step());
        if (!more) return jobs;
        jobs.push_back(ReadFinished(list));
      }
    });
  }

  void FindFinished(JobId job, Answer<std::optional<FinishedJob>> answer) override {
    Do<std::optional<FinishedJob>>(std::move(answer), [this, job]() -> Result<std::optional<FinishedJob>> {
      HR_ASSIGN_OR_RAISE(auto find, db_->Prepare(kFinishedJobs + " WHERE r.job_id = ?1"));
      HR_ASSIGN_OR_RAISE(const bool found, find.BindText(job.str()).Step());
      return found ? std::optional<FinishedJob>(ReadFinished(find)) : std::nullopt;
    });
  }

  void InsertSplits(LeaderGrant grant, JobId job, std::vector<SplitRecord> splits, Answer<std::vector<SplitRecord>> answer) override {
    Write<std::vector<SplitRecord>>(
        std::move(answer), [this, grant, job, splits = std::move(splits)]() -> Result<std::vector<SplitRecord>> {
          for (const SplitRecord& split : splits) HR_RETURN_NOT_OK(CheckTexts(split));
          HR_RETURN_NOT_OK(Check(grant));
          HR_RETURN_NOT_OK(CheckUnfinished(job));
          for (const SplitRecord& split : splits) {
            HR_ASSIGN_OR_RAISE(auto insert, db_->Prepare("INSERT INTO job_split VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"));
            HR_RETURN_NOT_OK(
                insert.BindText(job.str()).BindText(split.source.str()).BindText(split.split_id).BindBytes(split.payload).Run());
          }
          return Splits(job);
        });
  }

  void ListSplits(JobId job, Answer<std::vector<SplitRecord>> answer) override {
    Do<std::vector<SplitRecord>>(std::move(answer), [this, job] { return Splits(job); });
  }

  void NextDeployment(LeaderGrant grant, JobId job, Answer<DeploymentNumber> answer) override {
    Write<DeploymentNumber>(std::move(answer), [this, grant, job]() -> Result<DeploymentNumber> {
      HR_RETURN_NOT_OK(Check(grant));
      HR_RETURN_NOT_OK(CheckUnfinished(job));
      HR_ASSIGN_OR_RAISE(auto next,
                         db_->Prepare("UPDATE job SET last_deployment = last_deployment + 1 WHERE id = ?1 RETURNING last_deployment"));
      HR_RETURN_NOT_OK(next.BindText(job.str()).Step());
      const auto number = static_cast<DeploymentNumber>(next.Int64(0));
      HR_RETURN_NOT_OK(next.Run());
      return number;
    });
  }

  void InsertResult(LeaderGrant grant, JobResult result, Answer<JobResult> answer) override {
    Write<JobResult>(std::move(answer), [this, grant, result]() -> Result<JobResult> {
      HR_RETURN_NOT_OK(CheckTexts(result));
      HR_RETURN_NOT_OK(Check(grant));
      HR_ASSIGN_OR_RAISE(auto insert, db_->Prepare("INSERT INTO job_result (job_id, state, failure_json, ended_wall_ms) "
                                                   "SELECT id, ?2, ?3, ?4 FROM job WHERE id = ?1 ON CONFLICT DO NOTHING"));
      HR_RETURN_NOT_OK(
          insert.BindText(result.id.str()).BindText(result.state).BindText(result.failure_json).Bind(result.ended_wall_ms).Run());
      HR_ASSIGN_OR_RAISE(auto stored, db_->Prepare("SELECT state, failure_json, ended_wall_ms FROM job_result WHERE job_id = ?1"));
      HR_ASSIGN_OR_RAISE(const bool found, stored.BindText(result.id.str()).Step());
      if (!found) return UnknownJob(result.id);
      return JobResult{result.id, stored.Bytes(0), stored.Bytes(1), stored.Int64(2)};
    });
  }

  void Ping(Answer<Nothing> answer) override {
    Do<Nothing>(std::move(answer), [this]() -> Result<Nothing> {
      HR_RETURN_NOT_OK(Read());
      return Nothing{};
    });
  }

  void RequestStop() override {
    const std::lock_guard lock(queueing_);
    if (stopping_.exchange(true)) return;
    io_.Post([this] {
      db_.reset();  // gives the file to the next process
      io_.RequestStop();
    });
  }
  void Join() override { io_.Join(); }

 private:
  /// Runs `body` on the I/O thread and posts its answer.
  template <typename T, typename Body>
  void Do(Answer<T> answer, Body body) {
    const std::lock_guard lock(queueing_);
    if (stopping_) return Reply<T>(answer, Outcome<T>::NotDone(Stopped()));
    io_.Post([this, answer = std::move(answer), body = std::move(body)] {
      if (stopping_) return Reply<T>(answer, Outcome<T>::NotDone(Stopped()));
      Result<T> result = body();
      Reply<T>(answer, result.ok() ? Outcome<T>::Done(std::move(result).ValueUnsafe()) : Outcome<T>::NotDone(result.status()));
    });
  }

  /// The same inside BEGIN IMMEDIATE and COMMIT. A commit that fails may or may not be on disk.
  template <typename T, typename Body>
  void Write(Answer<T> answer, Body body) {
    const std::lock_guard lock(queueing_);
    if (stopping_) return Reply<T>(answer, Outcome<T>::NotDone(Stopped()));
    io_.Post([this, answer = std::move(answer), body = std::move(body)] {
      if (stopping_) return Reply<T>(answer, Outcome<T>::NotDone(Stopped()));
      if (const Status begun = db_->Execute("BEGIN IMMEDIATE"); !begun.ok()) return Reply<T>(answer, Outcome<T>::NotDone(begun));
      Result<T> result = body();
      if (!result.ok()) {
        const Status rolled_back = db_->Execute("ROLLBACK");
        return Reply<T>(answer, rolled_back.ok() ? Outcome<T>::NotDone(result.status()) : Outcome<T>::Unknown(rolled_back));
      }
      if (const Status committed = db_->Execute("COMMIT"); !committed.ok()) {
        (void)db_->Execute("ROLLBACK");
        return Reply<T>(answer, Outcome<T>::Unknown(committed));
      }
      Reply<T>(answer, Outcome<T>::Done(std::move(result).ValueUnsafe()));
    });
  }

  template <typename T>
  void Reply(const Answer<T>& answer, Outcome<T> outcome) {
    executor_->Post([answer, outcome = std::move(outcome)]() mutable { answer(std::move(outcome)); });
  }

  Result<Leader> Read() {
    HR_ASSIGN_OR_RAISE(auto read,
                       db_->Prepare("SELECT epoch, holder, beat, address FROM leader_epoch e JOIN leader_beat b ON e.id = b.id"));
    HR_ASSIGN_OR_RAISE(const bool found, read.Step());
    if (!found) return Error(ErrorCode::kStoreCorrupt, "The metadata file has no leader row.");
    return Leader{static_cast<LeaderEpoch>(read.Int64(0)), Incarnation(read.Bytes(1)), static_cast<std::uint64_t>(read.Int64(2)),
                  read.Bytes(3)};
  }

  Status Check(const LeaderGrant& grant) {
    HR_ASSIGN_OR_RAISE(const Leader leader, Read());
    return leader.epoch == grant.epoch && leader.holder == grant.holder && grant.epoch != 0 ? Status::OK() : Deposed(grant);
  }

  Status CheckUnfinished(const JobId& job) {
    HR_ASSIGN_OR_RAISE(auto find, db_->Prepare("SELECT EXISTS (SELECT 1 FROM job_result WHERE job_id = ?1) FROM job WHERE id = ?1"));
    HR_ASSIGN_OR_RAISE(const bool found, find.BindText(job.str()).Step());
    if (!found) return UnknownJob(job);
    return find.Int64(0) != 0 ? JobHasEnded(job) : Status::OK();
  }

  Result<std::vector<SplitRecord>> Splits(const JobId& job) {
    HR_ASSIGN_OR_RAISE(auto list,
                       db_->Prepare("SELECT source_uid, split_id, payload FROM job_split WHERE job_id = ?1 ORDER BY source_uid, split_id"));
    list.BindText(job.str());
    std::vector<SplitRecord> splits;
    for (;;) {
      HR_ASSIGN_OR_RAISE(const bool more, list.Step());
      if (!more) return splits;
      splits.push_back({OperatorUid(list.Bytes(0)), list.Bytes(1), list.Bytes(2)});
    }
  }

  Executor* const executor_;
  std::unique_ptr<SqliteDatabase> db_;
  std::mutex queueing_;  // no call is queued behind the one that closes
  std::atomic<bool> stopping_{false};
  ThreadExecutor io_;
};

}  // namespace

Result<std::unique_ptr<Metastore>> OpenSqliteMetastore(const std::string& path, Executor* executor) {
  HR_ASSIGN_OR_RAISE(auto db, SqliteDatabase::Open(path));
  HR_RETURN_NOT_OK(db->Migrate());
  return std::make_unique<SqliteMetastore>(std::move(db), executor);
}

}  // namespace headrace::control::metastore
