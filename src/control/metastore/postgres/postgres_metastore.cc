#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "control/metastore/metastore.h"
#include "control/metastore/postgres/postgres_schema.h"
#include "control/metastore/refusals.h"
#include "postgres/session.h"

namespace headrace::control::metastore {
namespace {

using postgres::Rows;
using postgres::Statement;
using Leader = Metastore::Leader;
using FinishedJob = Metastore::FinishedJob;

// The fence of every write: locks the epoch's row against a takeover until the statement's transaction ends. READ COMMITTED
// re-reads a row it had to wait for, so that a writer that waited for a takeover finds itself deposed.
constexpr std::string_view kFence =
    "WITH f AS (SELECT 1 FROM leader_epoch WHERE id = 1 AND epoch = $1 AND epoch > 0 AND holder = $2 FOR SHARE)";
constexpr std::string_view kJobColumns = "id, name, job_file, parallelism_override, submitted_wall_ms, coalesce(idempotency_key, '')";
constexpr std::string_view kFinishedJobs =
    "SELECT j.id, name, ''::bytea, parallelism_override, submitted_wall_ms, coalesce(idempotency_key, ''), state, failure_json, "
    "ended_wall_ms FROM job_result r JOIN job j ON j.id = r.job_id";

Statement Reads(std::string sql) { return Statement(Statement::Effect::kReads, std::move(sql)); }
Statement Fenced(const LeaderGrant& grant, std::string_view rest) {
  Statement statement(Statement::Effect::kWrites, fmt::format("{}{}", kFence, rest));
  statement.Int64(static_cast<std::int64_t>(grant.epoch)).Text(grant.holder.str());
  return statement;
}

JobRecord ReadJob(const Rows& rows, std::size_t row) {
  return JobRecord{JobId(rows.Bytes(row, 0)), rows.Bytes(row, 1), rows.Bytes(row, 2), static_cast<std::uint32_t>(rows.Int64(row, 3)),
                   rows.Int64(row, 4),        rows.Bytes(row, 5)};
}
FinishedJob ReadFinished(const Rows& rows, std::size_t row) {
  JobRecord job = ReadJob(rows, row);
  JobResult result{job.id, rows.Bytes(row, 6), rows.Bytes(row, 7), rows.Int64(row, 8)};
  return {std::move(job), std::move(result)};
}
std::vector<SplitRecord> ReadSplits(const Rows& rows) {
  std::vector<SplitRecord> splits;
  for (std::size_t row = 0; row < rows.size(); ++row)
    splits.push_back({OperatorUid(rows.Bytes(row, 0)), rows.Bytes(row, 1), rows.Bytes(row, 2)});
  return splits;
}
Statement ListOfSplits(const JobId& job) {
  return Reads("SELECT source_uid, split_id, payload FROM job_split WHERE job_id = $1 ORDER BY source_uid, split_id").Text(job.str());
}

/// Rows in PostgreSQL. Owns its share of the session, which owns the thread; any thread may call. Answers that chain a second
/// statement hold the session, never the store, so that the store may go first.
class PostgresMetastore final : public Metastore {
 public:
  PostgresMetastore(postgres::ConnectionOptions options, Executor* executor)
      : executor_(executor), session_(std::make_shared<postgres::Session>(std::move(options), MigratePostgres, executor)) {}
  ~PostgresMetastore() override {
    RequestStop();
    Join();
  }

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected_epoch, std::string address,
                      Answer<LeaderGrant> answer) override {
    // The beat's row first, the epoch's row second, as renewals do: the other way round they could wait for each other.
    Statement take(
        Statement::Effect::kWrites,
        "WITH b AS (SELECT 1 FROM leader_beat WHERE id = 1 FOR UPDATE), "
        "e AS (UPDATE leader_epoch SET epoch = epoch + 1, holder = $1 FROM b WHERE id = 1 AND ($2 < 0 OR epoch = $2) RETURNING epoch), "
        "w AS (UPDATE leader_beat SET beat = beat + 1, address = $3 FROM e WHERE id = 1 RETURNING beat) "
        "SELECT epoch FROM e, w");
    take.Text(holder.str()).Int64(expected_epoch ? static_cast<std::int64_t>(*expected_epoch) : -1).Text(std::move(address));
    Ask<LeaderGrant>(std::move(take), std::move(answer), [holder, expected_epoch](const Rows& rows) -> Result<LeaderGrant> {
      if (rows.empty()) return EpochMoved(expected_epoch.value_or(0));
      return LeaderGrant{static_cast<LeaderEpoch>(rows.Int64(0, 0)), holder};
    });
  }

  void RenewLeadership(LeaderGrant grant, Answer<Nothing> answer) override {
    Statement renew(
        Statement::Effect::kWrites,
        "WITH b AS (SELECT 1 FROM leader_beat WHERE id = 1 FOR UPDATE), "
        "f AS (SELECT 1 FROM b, leader_epoch WHERE id = 1 AND epoch = $1 AND epoch > 0 AND holder = $2 FOR SHARE OF leader_epoch) "
        "UPDATE leader_beat SET beat = beat + 1 FROM f WHERE id = 1 RETURNING beat");
    renew.Int64(static_cast<std::int64_t>(grant.epoch)).Text(grant.holder.str());
    Ask<Nothing>(std::move(renew), std::move(answer), [grant](const Rows& rows) -> Result<Nothing> {
      if (rows.empty()) return Deposed(grant);
      return Nothing{};
    });
  }

  void ReadLeader(Answer<Leader> answer) override {
    Ask<Leader>(Reads("SELECT epoch, holder, beat, address FROM leader_epoch e JOIN leader_beat b ON e.id = b.id"), std::move(answer),
                [](const Rows& rows) -> Result<Leader> {
                  if (rows.empty()) return Error(ErrorCode::kStoreCorrupt, "The metadata database has no leader row.");
                  return Leader{static_cast<LeaderEpoch>(rows.Int64(0, 0)), Incarnation(rows.Bytes(0, 1)),
                                static_cast<std::uint64_t>(rows.Int64(0, 2)), rows.Bytes(0, 3)};
                });
  }

  void InsertJob(LeaderGrant grant, std::shared_ptr<const JobRecord> job, Answer<Nothing> answer) override {
    if (Refuse(CheckTexts(*job), answer)) return;
    Statement insert = Fenced(grant,
                              ", w AS (INSERT INTO job (id, name, job_file, parallelism_override, submitted_wall_ms, idempotency_key) "
                              "SELECT $3, $4, $5, $6, $7, $8 FROM f ON CONFLICT DO NOTHING RETURNING id) "
                              "SELECT (SELECT count(*) FROM f), (SELECT count(*) FROM w)");
    insert.Text(job->id.str()).Text(job->name).Bytes(job->job_file).Int64(job->parallelism_override).Int64(job->submitted_wall_ms);
    insert.OptionalText(job->idempotency_key.empty() ? std::nullopt : std::optional<std::string>(job->idempotency_key));
    session_->Execute(std::move(insert),
                      [session = session_, grant, job = std::move(job), answer = std::move(answer)](Outcome<Rows> outcome) {
                        if (!outcome.done()) return answer(Without<Nothing>(outcome));
                        if (outcome.value().Int64(0, 0) == 0) return answer(Outcome<Nothing>::NotDone(Deposed(grant)));
                        if (outcome.value().Int64(0, 1) == 1) return answer(Outcome<Nothing>::Done({}));
                        // Something stands in the way: the same job from an earlier try, another one, or the key.
                        session->Execute(Reads(fmt::format("SELECT {} FROM job WHERE id = $1", kJobColumns)).Text(job->id.str()),
                                         Mapped<Nothing>(answer, [job](const Rows& rows) -> Result<Nothing> {
                                           if (rows.empty()) return KeyTaken(job->idempotency_key);
                                           if (!(ReadJob(rows, 0) == *job)) return OtherContent(job->id);
                                           return Nothing{};
                                         }));
                      });
  }

  void FindByIdempotencyKey(std::string key, Answer<std::optional<JobId>> answer) override {
    Ask<std::optional<JobId>>(Reads("SELECT id FROM job WHERE idempotency_key = $1").Text(std::move(key)), std::move(answer),
                              [](const Rows& rows) -> Result<std::optional<JobId>> {
                                return rows.empty() ? std::nullopt : std::optional<JobId>(JobId(rows.Bytes(0, 0)));
                              });
  }

  void ListUnfinished(Answer<std::vector<JobRecord>> answer) override {
    Ask<std::vector<JobRecord>>(
        Reads(fmt::format("SELECT {} FROM job j WHERE NOT EXISTS (SELECT 1 FROM job_result r WHERE r.job_id = j.id) ORDER BY seq",
                          kJobColumns)),
        std::move(answer), [](const Rows& rows) -> Result<std::vector<JobRecord>> {
          std::vector<JobRecord> jobs;
          for (std::size_t row = 0; row < rows.size(); ++row) jobs.push_back(ReadJob(rows, row));
          return jobs;
        });
  }

  void ListFinished(std::size_t newest, Answer<std::vector<FinishedJob>> answer) override {
    Statement list = Reads(fmt::format("{} ORDER BY r.seq DESC LIMIT $1", kFinishedJobs));
    list.Int64(static_cast<std::int64_t>(std::min<std::size_t>(newest, 1'000'000)));
    Ask<std::vector<FinishedJob>>(std::move(list), std::move(answer), [](const Rows& rows) -> Result<std::vector<FinishedJob>> {
      std::vector<FinishedJob> jobs;
      for (std::size_t row = 0; row < rows.size(); ++row) jobs.push_back(ReadFinished(rows, row));
      return jobs;
    });
  }

  void FindFinished(JobId job, Answer<std::optional<FinishedJob>> answer) override {
    Ask<std::optional<FinishedJob>>(Reads(fmt::format("{} WHERE r.job_id = $1", kFinishedJobs)).Text(job.str()), std::move(answer),
                                    [](const Rows& rows) -> Result<std::optional<FinishedJob>> {
                                      return rows.empty() ? std::nullopt : std::optional<FinishedJob>(ReadFinished(rows, 0));
                                    });
  }

  void InsertSplits(LeaderGrant grant, JobId job, std::vector<SplitRecord> splits, Answer<std::vector<SplitRecord>> answer) override {
    std::vector<std::string_view> sources, ids, payloads;
    for (const SplitRecord& split : splits) {
      if (Refuse(CheckTexts(split), answer)) return;
      sources.push_back(split.source.str());
      ids.push_back(split.split_id);
      payloads.push_back(split.payload);
    }
    Statement insert =
        Fenced(grant,
               ", j AS (SELECT id, EXISTS (SELECT 1 FROM job_result WHERE job_id = id) AS ended FROM job WHERE id = $3), "
               "w AS (INSERT INTO job_split SELECT j.id, s.* FROM f, j, unnest($4::text[], $5::text[], $6::bytea[]) s WHERE NOT j.ended "
               "ON CONFLICT DO NOTHING RETURNING 1) "
               "SELECT (SELECT count(*) FROM f), (SELECT count(*) FROM j), (SELECT count(*) FROM j WHERE ended), (SELECT count(*) FROM w)");
    insert.Text(job.str()).TextArray(sources).TextArray(ids).BytesArray(payloads);
    session_->Execute(std::move(insert), [session = session_, grant, job, answer = std::move(answer)](Outcome<Rows> outcome) {
      if (!outcome.done()) return answer(Without<std::vector<SplitRecord>>(outcome));
      if (const Status refused = CheckUnfinished(outcome.value(), grant, job); !refused.ok())
        return answer(Outcome<std::vector<SplitRecord>>::NotDone(refused));
      session->Execute(
          ListOfSplits(job),
          Mapped<std::vector<SplitRecord>>(answer, [](const Rows& rows) -> Result<std::vector<SplitRecord>> { return ReadSplits(rows); }));
    });
  }

  void ListSplits(JobId job, Answer<std::vector<SplitRecord>> answer) override {
    Ask<std::vector<SplitRecord>>(ListOfSplits(job), std::move(answer),
                                  [](const Rows& rows) -> Result<std::vector<SplitRecord>> { return ReadSplits(rows); });
  }

  void NextDeployment(LeaderGrant grant, JobId job, Answer<DeploymentNumber> answer) override {
    Statement next = Fenced(
        grant,
        ", j AS (SELECT id, EXISTS (SELECT 1 FROM job_result WHERE job_id = id) AS ended FROM job WHERE id = $3), "
        "w AS (UPDATE job SET last_deployment = last_deployment + 1 FROM f, j WHERE job.id = j.id AND NOT j.ended RETURNING "
        "last_deployment) "
        "SELECT (SELECT count(*) FROM f), (SELECT count(*) FROM j), (SELECT count(*) FROM j WHERE ended), (SELECT last_deployment FROM w)");
    next.Text(job.str());
    Ask<DeploymentNumber>(std::move(next), std::move(answer), [grant, job](const Rows& rows) -> Result<DeploymentNumber> {
      HR_RETURN_NOT_OK(CheckUnfinished(rows, grant, job));
      return static_cast<DeploymentNumber>(rows.Int64(0, 3));
    });
  }

  void InsertResult(LeaderGrant grant, JobResult result, Answer<JobResult> answer) override {
    if (Refuse(CheckTexts(result), answer)) return;
    Statement insert = Fenced(
        grant,
        ", w AS (INSERT INTO job_result (job_id, state, failure_json, ended_wall_ms) SELECT id, $4, $5, $6 FROM f, job WHERE id = $3 "
        "ON CONFLICT DO NOTHING RETURNING 1) "
        "SELECT (SELECT count(*) FROM f), (SELECT count(*) FROM w)");
    insert.Text(result.id.str()).Text(result.state).Text(result.failure_json).Int64(result.ended_wall_ms);
    session_->Execute(
        std::move(insert), [session = session_, grant, result = std::move(result), answer = std::move(answer)](Outcome<Rows> outcome) {
          if (!outcome.done()) return answer(Without<JobResult>(outcome));
          if (outcome.value().Int64(0, 0) == 0) return answer(Outcome<JobResult>::NotDone(Deposed(grant)));
          if (outcome.value().Int64(0, 1) == 1) return answer(Outcome<JobResult>::Done(result));
          session->Execute(Reads("SELECT state, failure_json, ended_wall_ms FROM job_result WHERE job_id = $1").Text(result.id.str()),
                           Mapped<JobResult>(answer, [id = result.id](const Rows& rows) -> Result<JobResult> {
                             if (rows.empty()) return UnknownJob(id);
                             return JobResult{id, rows.Bytes(0, 0), rows.Bytes(0, 1), rows.Int64(0, 2)};
                           }));
        });
  }

  void Ping(Answer<Nothing> answer) override {
    Ask<Nothing>(Reads("SELECT 1::int8"), std::move(answer), [](const Rows&) -> Result<Nothing> { return Nothing{}; });
  }
  void RequestStop() override { session_->RequestStop(); }
  void Join() override { session_->Join(); }

 private:
  /// The same outcome for another type of value; not for done ones.
  template <typename T>
  static Outcome<T> Without(const Outcome<Rows>& outcome) {
    return outcome.unknown() ? Outcome<T>::Unknown(outcome.reason()) : Outcome<T>::NotDone(outcome.reason());
  }

  /// `answer` behind a reading of the rows; what `read` refuses was not done.
  template <typename T, typename Read>
  static postgres::Session::Answer Mapped(Answer<T> answer, Read read) {
    return [answer = std::move(answer), read = std::move(read)](Outcome<Rows> outcome) {
      if (!outcome.done()) return answer(Without<T>(outcome));
      Result<T> result = read(outcome.value());
      answer(result.ok() ? Outcome<T>::Done(std::move(result).ValueUnsafe()) : Outcome<T>::NotDone(result.status()));
    };
  }

  template <typename T, typename Read>
  void Ask(Statement statement, Answer<T> answer, Read read) {
    session_->Execute(std::move(statement), Mapped<T>(std::move(answer), std::move(read)));
  }

  template <typename T>
  bool Refuse(const Status& status, const Answer<T>& answer) {
    if (!status.ok()) executor_->Post([answer, status] { answer(Outcome<T>::NotDone(status)); });
    return !status.ok();
  }

  /// Reads the counts of the fence, the job and its result.
  static Status CheckUnfinished(const Rows& rows, const LeaderGrant& grant, const JobId& job) {
    if (rows.Int64(0, 0) == 0) return Deposed(grant);
    if (rows.Int64(0, 1) == 0) return UnknownJob(job);
    return rows.Int64(0, 2) != 0 ? JobHasEnded(job) : Status::OK();
  }

  Executor* const executor_;
  const std::shared_ptr<postgres::Session> session_;
};

}  // namespace

Result<std::unique_ptr<Metastore>> OpenPostgresMetastore(const PostgresOptions& options, Executor* executor) {
  if (options.host.empty()) return Error(ErrorCode::kBadSetting, "POSTGRES_HOST is empty.");
  postgres::ConnectionOptions connection;
  connection.host = options.host;
  connection.port = options.port;
  connection.database = options.database;
  connection.user = options.user;
  connection.password = options.password;
  connection.sslmode = options.sslmode;
  connection.connect_timeout_ms = options.connect_timeout_ms;
  return std::make_unique<PostgresMetastore>(std::move(connection), executor);
}

}  // namespace headrace::control::metastore
