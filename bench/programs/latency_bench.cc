// Latency of windowed results, open loop: rows arrive on a schedule fixed beforehand, whether the engine keeps up or not. The time of a
// result counts from the end of its window on the schedule to its arrival at the sink, so waiting of every kind is part of it.
//
//   bench_latency WINDOWED_JOB NULL_JOB --keys 10000 --seconds 10 [--rate N]
//
// The null job passes rows on: what it shows is the harness's own. First the greatest rate is looked for: the fixed point of the rate at
// which rows of that density are processed. Then both jobs run at shares of it; with --rate the windows alone, at that one. One JSON object
// a result.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "bench/support/latency_histogram.h"
#include "bench/support/measure.h"
#include "bench/support/row_digest.h"
#include "bench/support/single_core_job.h"
#include "data/connector/immediate_sink.h"

namespace {

using namespace headrace;         // NOLINT: one program
using namespace headrace::bench;  // NOLINT
namespace connector = headrace::data::connector;

constexpr std::int64_t kBaseMs = 1'700'000'000'000;
constexpr std::int64_t kBatchRows = 8192;

std::int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// When rows are due. Row i is due i / rate seconds behind the start.
struct Schedule {
  std::int64_t start_ns = 0, rows = 0, keys = 0;
  double rate = 0;
  bool paced = true;
  std::int64_t DueNs(std::int64_t row) const { return static_cast<std::int64_t>(static_cast<double>(row) / rate * 1e9); }
};

/// Rows as they become due; all at once when not paced.
class ScheduledSource final : public connector::SourceReader {
 public:
  ScheduledSource(Schedule* schedule, std::shared_ptr<arrow::Schema> schema) : schedule_(schedule), schema_(std::move(schema)) {
    arrow::FieldVector fields = schema_->fields();
    fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false));
    batch_schema_ = arrow::schema(std::move(fields));
  }
  ~ScheduledSource() override {
    stop_ = true;
    if (pacer_.joinable()) pacer_.join();
  }
  Status Open(const connector::ConnectorContext& context) override {
    schedule_->start_ns = NowNs();
    if (schedule_->paced) {
      pacer_ = std::thread([this, waker = context.waker] {
        while (!stop_) {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
          waker->Wake();
        }
      });
    }
    return Status::OK();
  }
  Status AddSplits(const std::vector<plan::SourceSplit>&) override { return Status::OK(); }
  void NoMoreSplits() override {}
  Result<connector::SourcePoll> Poll() override {
    if (next_ >= schedule_->rows) return connector::SourcePoll{connector::SourcePoll::Kind::kEnd, {}};
    std::int64_t last = schedule_->rows;
    if (schedule_->paced)
      last = std::min(last, static_cast<std::int64_t>(static_cast<double>(NowNs() - schedule_->start_ns) / 1e9 * schedule_->rate));
    last = std::min(last, next_ + kBatchRows);
    if (last <= next_) return connector::SourcePoll{connector::SourcePoll::Kind::kNothingYet, {}};
    HR_ASSIGN_OR_RAISE(auto batch, Rows(next_, last));
    next_ = last;
    return connector::SourcePoll{connector::SourcePoll::Kind::kBatch, std::move(batch)};
  }
  std::vector<plan::SourceSplit> Positions() const override { return {}; }
  void RequestStop() override { stop_ = true; }

 private:
  Result<columnar::DataBatch> Rows(std::int64_t first, std::int64_t last) {
    arrow::ArrayVector columns;
    for (const auto& field : batch_schema_->fields()) {
      HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer((last - first) * 8));
      auto* out = reinterpret_cast<std::int64_t*>(buffer->mutable_data());
      const bool key = field->name() == "auction", due = field->name() == "price";
      __extension__ using Wide = unsigned __int128;
      for (std::int64_t row = first; row < last; ++row) {
        const std::uint64_t draw = RowDigest::Mix(static_cast<std::uint64_t>(row) * 0x9E3779B97F4A7C15ULL);
        out[row - first] = key   ? static_cast<std::int64_t>(static_cast<Wide>(draw) * static_cast<std::uint64_t>(schedule_->keys) >> 64)
                           : due ? schedule_->DueNs(row)
                                 : kBaseMs + schedule_->DueNs(row) / 1'000'000;
      }
      columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(field->type(), last - first, {nullptr, std::move(buffer)}, 0)));
    }
    return columnar::DataBatch(arrow::RecordBatch::Make(batch_schema_, last - first, std::move(columns)));
  }

  Schedule* schedule_;
  const std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> batch_schema_;
  std::int64_t next_ = 0;
  std::thread pacer_;
  std::atomic<bool> stop_{false};
};

/// Notes how far behind the schedule results arrive; those of the first second and of the rows' end are left out.
class LatencySink final : public connector::ImmediateSinkWriter {
 public:
  LatencySink(const Schedule* schedule, LatencyHistogram* latencies) : schedule_(schedule), latencies_(latencies) {}
  Status Open(const connector::ConnectorContext&) override { return Status::OK(); }
  Status Write(const columnar::DataBatch& batch) override {
    const std::int64_t since_start_ns = NowNs() - schedule_->start_ns, end_ns = schedule_->DueNs(schedule_->rows - 1);
    const arrow::RecordBatch& records = *batch.records();
    const int end = records.schema()->GetFieldIndex("window_end");
    const auto* values = records.column_data(end >= 0 ? end : records.schema()->GetFieldIndex("price"))->GetValues<std::int64_t>(1);
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      const std::int64_t due_ns = end >= 0 ? (values[i] - kBaseMs) * 1'000'000 : values[i];
      if (due_ns > 1'000'000'000 && due_ns <= end_ns) latencies_->Add(since_start_ns - due_ns, 1);
    }
    return Status::OK();
  }

 private:
  const Schedule* schedule_;
  LatencyHistogram* latencies_;
};

/// Runs the job over the schedule on a loop of the engine's; gives the seconds that it took.
double RunJob(const std::string& job_file, Schedule* schedule, LatencyHistogram* latencies) {
  data::task::ConnectorFactories connectors;
  connectors.source = [schedule](const plan::ConnectorSpec& spec) {
    return Result<std::unique_ptr<connector::SourceReader>>(std::make_unique<ScheduledSource>(schedule, spec.schema));
  };
  connectors.sink = [schedule, latencies](const plan::ConnectorSpec&) {
    return Result<std::unique_ptr<connector::SinkWriter>>(std::make_unique<LatencySink>(schedule, latencies));
  };
  auto job = Must(SingleCoreJob::Make(Must(PlanOf(job_file, 1)), connectors, &SystemClock()));
  data::task::TaskLoop loop("bench");
  const double start = static_cast<double>(NowNs()) / 1e9;
  Must(job->RunOn(&loop));
  const double seconds = static_cast<double>(NowNs()) / 1e9 - start;
  loop.RequestStop();
  loop.Join();
  return seconds;
}

/// The rate at which rows of its own density are processed, as fast as they can be.
double GreatestRate(const std::string& job_file, std::int64_t keys) {
  double rate = 2e6;
  for (int round = 0; round < 5; ++round) {
    Schedule schedule;
    schedule.keys = keys;
    schedule.rate = rate;
    schedule.paced = false;
    schedule.rows = static_cast<std::int64_t>(rate * 3);
    LatencyHistogram none;
    rate = static_cast<double>(schedule.rows) / RunJob(job_file, &schedule, &none);
  }
  return rate;
}

void Report(const std::string& name, const std::string& job_file, std::int64_t keys, double rate, double seconds) {
  Schedule schedule;
  schedule.keys = keys;
  schedule.rate = rate;
  schedule.rows = static_cast<std::int64_t>(rate * seconds);
  LatencyHistogram latencies;
  const double took = RunJob(job_file, &schedule, &latencies);
  const auto ms = [&](double share) { return latencies.Percentile(share) / 1e6; };
  std::printf(
      "{\"case\": \"%s\", \"rate\": %.0f, \"results\": %ld, \"seconds\": %.2f, \"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"p9999\": "
      "%.3f}\n",
      name.c_str(), rate, static_cast<long>(latencies.total()), took, ms(0.5), ms(0.99), ms(0.999), ms(0.9999));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) Die("usage: bench_latency WINDOWED_JOB NULL_JOB [--keys N] [--seconds N] [--rate N]");
  std::int64_t keys = 10'000;
  double seconds = 10, rate = 0;
  for (int i = 3; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--keys") == 0) keys = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--rate") == 0) rate = std::atof(argv[i + 1]);
  }
  if (rate > 0) {
    Report("windows", argv[1], keys, rate, seconds);
    return 0;
  }
  const double greatest = GreatestRate(argv[1], keys);
  std::printf("{\"case\": \"greatest rate\", \"rate\": %.0f}\n", greatest);
  Report("null pipeline at 50 %", argv[2], keys, greatest * 0.5, seconds);
  Report("windows at 50 %", argv[1], keys, greatest * 0.5, seconds);
  Report("windows at 80 %", argv[1], keys, greatest * 0.8, seconds);
  return 0;
}
