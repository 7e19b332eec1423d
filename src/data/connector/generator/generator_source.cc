#include "data/connector/generator/generator_source.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "columnar/value_column.h"
#include "data/connector/generator/word_rows.h"
#include "plan/connector_options.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::int64_t kBatchRows = 4096;
constexpr std::int64_t kBatchBytes = 256 << 10;
constexpr std::chrono::milliseconds kTick{10};

/// Wakes the task at a given time. Owned by one reader; its thread does nothing else.
class Alarm {
 public:
  explicit Alarm(Waker* waker) : waker_(waker), thread_([this] { Run(); }) {}
  ~Alarm() {
    Stop();
    thread_.join();
  }
  void Set(SteadyTime at) {
    const std::lock_guard lock(mutex_);
    at_ = at;
    changed_.notify_one();
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (!at_) {
        changed_.wait(lock, [this] { return stopping_ || at_; });
      } else if (std::chrono::steady_clock::now() < *at_) {
        changed_.wait_until(lock, *at_);
      } else {
        at_.reset();
        if (waker_ != nullptr) waker_->Wake();
      }
    }
  }
  Waker* waker_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<SteadyTime> at_;
  bool stopping_ = false;
  std::thread thread_;
};

struct GeneratorOptions {
  bool words = false;
  std::shared_ptr<arrow::Schema> schema;  ///< of typed rows: one column; null: untyped
  std::int64_t rows_per_second = 0;
  WordRows word_rows{1, 1, 1};
};

class GeneratorSourceReader final : public SourceReader {
 public:
  explicit GeneratorSourceReader(GeneratorOptions options)
      : options_(std::move(options)), builder_(options_.words ? columnar::ValueForm::kUtf8 : columnar::ValueForm::kInt64) {}

  Status Open(const ConnectorContext& context) override {
    if (options_.rows_per_second > 0) alarm_.emplace(context.waker);
    return Status::OK();
  }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(const plan::GeneratorSplit parsed, plan::GeneratorSplit::FromPayload(split.payload));
      // Each residue class has its part of the rate.
      if (options_.rows_per_second > 0) rate_ += static_cast<double>(options_.rows_per_second) / static_cast<double>(parsed.step);
      splits_.push_back({split.id, parsed});
    }
    started_at_ = std::chrono::steady_clock::now();
    made_since_start_ = 0;
    return Status::OK();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }

  Result<SourcePoll> Poll() override {
    if (splits_.empty() || std::all_of(splits_.begin(), splits_.end(), [](const State& s) { return s.ended(); })) {
      return SourcePoll{no_more_splits_ ? SourcePoll::Kind::kEnd : SourcePoll::Kind::kNothingYet, {}};
    }
    const std::int64_t due = RowsDue();
    if (due == 0) return SourcePoll{};
    HR_RETURN_NOT_OK(MakeRows(std::min(due, kBatchRows)));
    HR_ASSIGN_OR_RAISE(columnar::DataBatch batch, builder_.Finish());
    if (options_.schema != nullptr)
      batch = columnar::DataBatch(arrow::RecordBatch::Make(options_.schema, batch.num_rows(), {batch.records()->column_data(0)}));
    return SourcePoll{SourcePoll::Kind::kBatch, std::move(batch)};
  }

  std::vector<plan::SourceSplit> Positions() const override {
    std::vector<plan::SourceSplit> positions;
    for (const State& state : splits_) positions.push_back({state.id, state.split.ToPayload()});
    return positions;
  }

  void RequestStop() override {
    if (alarm_) alarm_->Stop();
  }

 private:
  struct State {
    std::string id;
    plan::GeneratorSplit split;
    bool ended() const { return split.end >= 0 && split.next >= split.end; }
  };

  /// Rows that the rate allows now; sets the alarm when there are none.
  std::int64_t RowsDue() {
    if (options_.rows_per_second == 0) return std::numeric_limits<std::int64_t>::max();
    const SteadyTime now = std::chrono::steady_clock::now();
    const double elapsed_s = std::chrono::duration<double>(now - started_at_).count();
    // The first row is due at once.
    const std::int64_t allowed = static_cast<std::int64_t>(elapsed_s * rate_) + 1;
    if (allowed > made_since_start_) return allowed - made_since_start_;
    const std::chrono::duration<double> next_row(static_cast<double>(made_since_start_) / rate_);
    alarm_->Set(std::max(now + kTick, started_at_ + std::chrono::duration_cast<SteadyTime::duration>(next_row)));
    return 0;
  }

  Status MakeRows(std::int64_t rows) {
    for (std::int64_t made = 0; made < rows && builder_.size_bytes() < kBatchBytes; ++made) {
      State* next = nullptr;
      for (State& state : splits_) {
        if (!state.ended() && (next == nullptr || state.split.next < next->split.next)) next = &state;
      }
      if (next == nullptr) break;
      if (options_.words) {
        options_.word_rows.Line(next->split.next, &line_);
        HR_RETURN_NOT_OK(builder_.AppendBytes(line_));
      } else {
        HR_RETURN_NOT_OK(builder_.AppendInt(next->split.next));
      }
      next->split.next += next->split.step;
      ++made_since_start_;
    }
    return Status::OK();
  }

  GeneratorOptions options_;
  columnar::ValueBatchBuilder builder_;
  std::vector<State> splits_;
  std::string line_;
  double rate_ = 0;
  SteadyTime started_at_{};
  std::int64_t made_since_start_ = 0;
  bool no_more_splits_ = false;
  std::optional<Alarm> alarm_;
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeGeneratorSourceReader(const plan::ConnectorSpec& spec) {
  const auto number = [&](std::string_view name) { return plan::OptionInt(spec, true, name); };
  GeneratorOptions options;
  options.words = plan::OptionString(spec, true, "kind") == "words";
  options.schema = spec.schema;
  options.rows_per_second = number("rows_per_second");
  options.word_rows = WordRows(static_cast<std::uint64_t>(number("seed")), static_cast<std::uint32_t>(number("vocabulary")),
                               static_cast<std::uint32_t>(number("words_per_row")));
  return std::unique_ptr<SourceReader>(std::make_unique<GeneratorSourceReader>(std::move(options)));
}

}  // namespace headrace::data::connector
