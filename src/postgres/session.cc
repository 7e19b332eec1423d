#include "postgres/session.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/logging.h"
#include "base/random.h"
#include "postgres/connection.h"

namespace headrace::postgres {
namespace {

constexpr std::size_t kMaxInFlight = 64;  // a bound for what one loss leaves unknown

MonotonicTime Now() { return SystemClock().Now(); }
Status Stopping() { return Error(ErrorCode::kNotReady, "The session with PostgreSQL is being closed."); }

}  // namespace

/// The session's thread and all that it touches. `mutex_` guards what callers leave for it, nothing else.
class Session::Loop {
 public:
  Loop(ConnectionOptions options, Prepare prepare, Executor* executor)
      : options_(std::move(options)), prepare_(std::move(prepare)), executor_(executor), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    HR_CHECK(wake_ >= 0, "no descriptor left for an eventfd");
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "postgres");
      Run();
    });
  }
  ~Loop() { close(wake_); }

  void Execute(Statement statement, Answer answer) {
    {
      std::lock_guard lock(mutex_);
      if (!closed_) {
        incoming_.push_back({std::move(statement), std::move(answer)});
        Wake();
        return;
      }
    }
    Reply(answer, Outcome<Rows>::NotDone(Stopping()));
  }
  void RequestStop() {
    stopping_ = true;
    Wake();
  }
  void Join() {
    std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Call {
    Statement statement;
    Answer answer;
  };

  void Wake() {
    const std::uint64_t one = 1;
    (void)!write(wake_, &one, sizeof(one));
  }

  /// False when the session stops. `fd` < 0 waits for the wake-up and the instant only.
  bool WaitFor(int fd, bool for_write, MonotonicTime until) {
    if (stopping_) return false;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Now()).count();
    pollfd fds[2] = {{wake_, POLLIN, 0}, {fd, static_cast<short>(POLLIN | (for_write ? POLLOUT : 0)), 0}};
    poll(fds, fd < 0 ? 1 : 2, until == MonotonicTime::max() ? -1 : static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)));
    if (fd >= 0 && fds[1].revents != 0) moved_ = Now();
    if ((fds[0].revents & POLLIN) != 0) {
      std::uint64_t count;
      (void)!read(wake_, &count, sizeof(count));
    }
    return !stopping_;
  }

  void Run() {
    std::int64_t backoff_ms = options_.first_backoff_ms;
    while (!stopping_) {
      Status connected = Connect();
      if (connected.ok()) {
        LogInfo("postgres", fmt::format("Connected to PostgreSQL at {}.", options_.Where()));
        backoff_ms = options_.first_backoff_ms;
        connected = Serve();
        connection_.reset();
        FailInFlight(connected);
        if (stopping_) break;
        LogWarn("postgres", connected.message());
        continue;  // the first new attempt is made at once; what comes meanwhile waits for it
      }
      if (stopping_) break;
      if (connected.message() != last_logged_) LogWarn("postgres", fmt::format("{} Trying again.", connected.message()));
      last_logged_ = connected.message();
      // Up to half more than the step, so that many processes do not return together.
      const auto pause = std::chrono::milliseconds(
          backoff_ms + static_cast<std::int64_t>(random_.Uniform(static_cast<std::uint64_t>(backoff_ms) / 2 + 1)));
      RefuseUntil(Now() + pause, connected);
      backoff_ms = std::min(backoff_ms * 2, options_.last_backoff_ms);
    }
    connection_.reset();
    FailInFlight(Stopping());
    std::deque<Call> rest;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      rest.swap(incoming_);
    }
    for (const Call& call : rest) Reply(call.answer, Outcome<Rows>::NotDone(Stopping()));
  }

  Status Connect() {
    const Wait wait = [this](int fd, bool for_write, MonotonicTime until) { return WaitFor(fd, for_write, until); };
    HR_ASSIGN_OR_RAISE(auto connection, Connection::Open(options_, wait));
    auto until = [this] { return Now() + std::chrono::milliseconds(options_.answer_timeout_ms); };
    HR_RETURN_NOT_OK(CheckNoTransactionPooler(connection.get(), options_, wait, until()));
    const RunNow run = [&](const Statement& statement) { return connection->Run(statement, wait, until()); };
    // By statements, not by start-up options: a pooler in session mode takes these only.
    for (const auto& [name, value] :
         {std::pair<std::string, std::string>{"statement_timeout", fmt::format("{}", options_.statement_timeout_ms)},
          {"idle_in_transaction_session_timeout", fmt::format("{}", options_.idle_in_transaction_timeout_ms)},
          {"default_transaction_isolation", "read committed"}}) {
      HR_RETURN_NOT_OK(run(Statement(Statement::Effect::kReads, "SELECT set_config($1, $2, false)").Text(name).Text(value)));
    }
    // An answered write must survive the server's crash, whatever the database's own default.
    HR_RETURN_NOT_OK(
        run(Statement(Statement::Effect::kReads,
                      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")));
    if (prepare_) HR_RETURN_NOT_OK(prepare_(run));
    connection_ = std::move(connection);
    return Status::OK();
  }

  /// Until the connection is lost (the reason is returned) or the session stops.
  Status Serve() {
    last_logged_.clear();
    MonotonicTime heard = Now();
    for (;;) {
      if (stopping_) return Stopping();
      if (in_flight_.empty()) heard = Now();
      HR_RETURN_NOT_OK(SendIncoming());
      HR_RETURN_NOT_OK(connection_->Pump());
      bool any = false;
      while (auto ended = connection_->TakeEnded()) {
        any = true;
        heard = Now();
        const bool useless = ended->connection_is_useless;
        Status reason = ended->rows.status();
        Finish(std::move(*ended));
        if (useless) return reason;
      }
      if (any) continue;  // there is room for what waits
      // From here to the wait nothing may read from the socket: what is in libpq's buffer wakes nobody.
      heard = std::max(heard, moved_);  // a long answer, or a long statement on its way, is no silence
      const MonotonicTime until = in_flight_.empty() ? MonotonicTime::max() : heard + std::chrono::milliseconds(options_.answer_timeout_ms);
      if (Now() >= until) {
        return Error(ErrorCode::kStoreUnavailable, fmt::format("PostgreSQL at {} did not answer for {} ms; the connection is given up.",
                                                               options_.Where(), options_.answer_timeout_ms));
      }
      WaitFor(connection_->fd(), connection_->wants_write(), until);
    }
  }

  Status SendIncoming() {
    while (in_flight_.size() < kMaxInFlight) {
      Call call{Statement(Statement::Effect::kReads, ""), {}};
      {
        std::lock_guard lock(mutex_);
        if (incoming_.empty()) return Status::OK();
        call = std::move(incoming_.front());
        incoming_.pop_front();
      }
      // A connection that closed while it was idle says so before the statement is counted as sent.
      if (const Status status = connection_->Pump(); !status.ok()) {
        Reply(call.answer, Outcome<Rows>::NotDone(status));
        return status;
      }
      in_flight_.push_back(std::move(call));
      HR_RETURN_NOT_OK(connection_->Send(in_flight_.back().statement));
    }
    return Status::OK();
  }

  void Finish(Connection::Ended ended) {
    HR_CHECK(!in_flight_.empty(), "an answer without a statement");
    const Call call = std::move(in_flight_.front());
    in_flight_.pop_front();
    if (ended.rows.ok()) return Reply(call.answer, Outcome<Rows>::Done(std::move(ended.rows).ValueUnsafe()));
    Reply(call.answer, ended.certain ? Outcome<Rows>::NotDone(ended.rows.status()) : Broken(call, ended.rows.status()));
  }

  static Outcome<Rows> Broken(const Call& call, const Status& reason) {
    return call.statement.effect() == Statement::Effect::kReads ? Outcome<Rows>::NotDone(reason) : Outcome<Rows>::Unknown(reason);
  }

  void FailInFlight(const Status& reason) {
    for (const Call& call : std::exchange(in_flight_, {})) Reply(call.answer, Broken(call, reason));
  }

  void RefuseUntil(MonotonicTime until, const Status& reason) {
    do {
      std::deque<Call> refused;
      {
        std::lock_guard lock(mutex_);
        refused.swap(incoming_);
      }
      for (const Call& call : refused) Reply(call.answer, Outcome<Rows>::NotDone(reason));
    } while (WaitFor(-1, false, until) && Now() < until);
  }

  void Reply(const Answer& answer, Outcome<Rows> outcome) {
    executor_->Post([answer, outcome = std::move(outcome)]() mutable { answer(std::move(outcome)); });
  }

  const ConnectionOptions options_;
  const Prepare prepare_;
  Executor* const executor_;
  const int wake_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::deque<Call> incoming_;
  bool closed_ = false;
  // Below: the session's thread only.
  std::unique_ptr<Connection> connection_;
  std::deque<Call> in_flight_;
  MonotonicTime moved_{};  // when the socket last could be read or written
  std::string last_logged_;
  SystemRandom random_;
  std::mutex join_mutex_;
  std::thread thread_;
};

Session::Session(ConnectionOptions options, Prepare prepare, Executor* executor)
    : loop_(std::make_unique<Loop>(std::move(options), std::move(prepare), executor)) {}
Session::~Session() {
  RequestStop();
  Join();
}
void Session::Execute(Statement statement, Answer answer) { loop_->Execute(std::move(statement), std::move(answer)); }
void Session::RequestStop() { loop_->RequestStop(); }
void Session::Join() { loop_->Join(); }

}  // namespace headrace::postgres
