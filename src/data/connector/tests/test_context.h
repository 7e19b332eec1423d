#pragma once
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "columnar/value_column.h"
#include "data/connector/sink.h"
#include "data/connector/source.h"

namespace headrace::data::connector {

/// A waker that a test can wait for.
class WaitableWaker final : public Waker {
 public:
  void Wake() override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  /// Until Wake() was called since the last wait, or `ms` passed.
  void Wait(int ms) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return woken_; });
    woken_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

/// A ConnectorContext that records what connectors say.
struct TestContext {
  TestContext() {
    context.job_id = "0123456789abcdef0123456789abcdef";
    context.operator_name = "op";
    context.operator_uid = "uid1";
    context.waker = &waker;
    context.metrics = &metrics;
    context.on_bad_record = [this](std::string where, std::string why, std::string sample) {
      const std::lock_guard lock(mutex);
      bad_records.push_back(where + ": " + why + ": " + sample);
    };
    context.on_waiting = [this](std::string reason) {
      const std::lock_guard lock(mutex);
      waiting.push_back(std::move(reason));
    };
    context.on_collected = [this](const std::string& uid, const columnar::DataBatch& batch) { collected.emplace_back(uid, batch); };
  }
  std::vector<std::string> BadRecords() {
    const std::lock_guard lock(mutex);
    return bad_records;
  }
  std::vector<std::string> Waiting() {
    const std::lock_guard lock(mutex);
    return waiting;
  }

  WaitableWaker waker;
  MetricsRegistry metrics;
  ConnectorContext context;
  std::mutex mutex;
  std::vector<std::string> bad_records, waiting;
  std::vector<std::pair<std::string, columnar::DataBatch>> collected;
};

inline std::vector<std::string> RowsOf(const columnar::DataBatch& batch) {
  std::vector<std::string> rows;
  const auto reader = columnar::ValueRowReader::Make(batch);
  for (std::int64_t row = 0; reader.ok() && row < batch.num_rows(); ++row) {
    rows.emplace_back();
    if (!reader->AppendRowText(row, &rows.back()).ok()) rows.back() = "<unreadable>";
  }
  return rows;
}

/// Polls until the reader ends or `enough` rows are there; waits for wakes in between, `timeout_ms` in all.
inline Result<std::vector<std::string>> ReadRows(SourceReader* reader, TestContext* test, std::size_t enough = SIZE_MAX,
                                                 int timeout_ms = 20'000) {
  std::vector<std::string> rows;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (rows.size() < enough) {
    HR_ASSIGN_OR_RAISE(SourcePoll poll, reader->Poll());
    if (poll.kind == SourcePoll::Kind::kEnd) break;
    if (poll.kind == SourcePoll::Kind::kBatch) {
      for (std::string& row : RowsOf(poll.batch)) rows.push_back(std::move(row));
      continue;
    }
    if (std::chrono::steady_clock::now() > deadline) return Status::Invalid("timed out with ", rows.size(), " rows");
    test->waker.Wait(200);
  }
  return rows;
}

inline plan::ConnectorSpec SpecOf(std::string kind, std::map<std::string, std::string> options, std::string payload = {}) {
  plan::ConnectorSpec spec;
  spec.kind = std::move(kind);
  spec.options = std::move(options);
  spec.payload = std::move(payload);
  return spec;
}

inline columnar::DataBatch TextBatch(const std::vector<std::string>& rows) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
  for (const std::string& row : rows) HR_CHECK(builder.AppendBytes(row).ok());
  return builder.Finish().ValueOrDie();
}

}  // namespace headrace::data::connector
