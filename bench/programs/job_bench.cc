// One job over prebuilt batches in memory: the engine's tasks on this thread, and the hand loop over the same columns.
//
//   bench_job JOB_FILE --query q5 --events 10000000 --rate 10000 [--parallelism 1] [--fold-keys 2] [--batch-events 8000]
//
// Then commands, a line each, answered by one JSON object a line; the caller alternates them with its peers:
//   engine | hand        one timed run: {"seconds", "rows", "input_seconds"}: CPU seconds of this thread, and until the input ended
//   engine digest | hand digest     the same, untimed, with the digest of the result's rows
//   dump FOLDER          each table as FOLDER/TABLE.arrow
// --keys N: the auctions of bids are drawn evenly from N numbers instead of the stream's own.
// --fold-keys N: the engine's rows are an upsert by their first N words; the digest is that of the last row of each key.
#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <unordered_map>
#include <vector>

#include "bench/hand/hand_loops.h"
#include "bench/support/measure.h"
#include "bench/support/row_digest.h"
#include "bench/support/single_core_job.h"
#include "data/connector/immediate_sink.h"
#include "data/connector/nexmark/nexmark_rows.h"
#include "plan/connector_options.h"

namespace {

using namespace headrace;         // NOLINT: one program
using namespace headrace::bench;  // NOLINT
namespace connector = headrace::data::connector;

struct Options {
  std::string job_file, query;
  std::int64_t events = 10'000'000, rate = 10'000, batch_events = 8000;
  std::uint32_t parallelism = 1;
  std::size_t fold_keys = 0;
  std::int64_t keys = 0;
};

Options Parse(int argc, char** argv) {
  if (argc < 2) Die("usage: bench_job JOB_FILE --query NAME [--events N] [--rate N] [--parallelism N] [--fold-keys N] [--batch-events N]");
  Options options;
  options.job_file = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--query")
      options.query = argv[i + 1];
    else if (name == "--events")
      options.events = std::atoll(argv[i + 1]);
    else if (name == "--rate")
      options.rate = std::atoll(argv[i + 1]);
    else if (name == "--parallelism")
      options.parallelism = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    else if (name == "--fold-keys")
      options.fold_keys = static_cast<std::size_t>(std::atoll(argv[i + 1]));
    else if (name == "--batch-events")
      options.batch_events = std::atoll(argv[i + 1]);
    else if (name == "--keys")
      options.keys = std::atoll(argv[i + 1]);
    else
      Die("no option " + name);
  }
  return options;
}

using Batches = std::vector<columnar::DataBatch>;

/// Gives out prebuilt batches.
class MemorySource final : public connector::SourceReader {
 public:
  MemorySource(const Batches* batches, std::size_t first, std::size_t step, std::function<void()> on_end)
      : batches_(batches), next_(first), step_(step), on_end_(std::move(on_end)) {}
  Status Open(const connector::ConnectorContext&) override { return Status::OK(); }
  Status AddSplits(const std::vector<plan::SourceSplit>&) override { return Status::OK(); }
  void NoMoreSplits() override {}
  Result<connector::SourcePoll> Poll() override {
    if (next_ >= batches_->size()) {
      on_end_();
      return connector::SourcePoll{connector::SourcePoll::Kind::kEnd, {}};
    }
    const columnar::DataBatch& batch = (*batches_)[next_];
    next_ += step_;
    return connector::SourcePoll{connector::SourcePoll::Kind::kBatch, batch};
  }
  std::vector<plan::SourceSplit> Positions() const override { return {}; }
  void RequestStop() override {}

 private:
  const Batches* batches_;
  std::size_t next_;
  const std::size_t step_;
  const std::function<void()> on_end_;
};

/// Counts rows; digests them when asked to.
struct Outcome {
  bool wants_digest = false;
  std::size_t fold_keys = 0;
  std::int64_t rows = 0;
  RowDigest digest;
  std::unordered_map<std::string, std::vector<std::uint64_t>> folded;

  void AddRow(const std::uint64_t* words, std::size_t width) {
    if (fold_keys == 0) return digest.AddRow(words, width);
    folded[std::string(reinterpret_cast<const char*>(words), fold_keys * 8)].assign(words, words + width);
  }
  void Close() {
    for (const auto& [key, words] : folded) digest.AddRow(words.data(), words.size());
  }
};

class MemorySink final : public connector::ImmediateSinkWriter {
 public:
  explicit MemorySink(Outcome* outcome) : outcome_(outcome) {}
  Status Open(const connector::ConnectorContext&) override { return Status::OK(); }
  Status Write(const columnar::DataBatch& batch) override {
    outcome_->rows += batch.num_rows();
    if (!outcome_->wants_digest) return Status::OK();
    HR_ASSIGN_OR_RAISE(const RowWords rows, WordsOf(*batch.records()));
    for (std::int64_t row = 0; row < batch.num_rows(); ++row)
      outcome_->AddRow(rows.words.data() + static_cast<std::size_t>(row) * rows.width, rows.width);
    return Status::OK();
  }

 private:
  Outcome* outcome_;
};

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)), plan_(Must(PlanOf(options_.job_file, options_.parallelism))) {
    for (const auto& vertex : plan_->vertices)
      for (const auto& op : vertex.operators)
        if (const auto* source = std::get_if<plan::SourceSpec>(&op.kind)) MakeTable(source->connector);
  }

  void Engine(bool digest) {
    Outcome outcome;
    outcome.wants_digest = digest;
    outcome.fold_keys = digest ? options_.fold_keys : 0;
    std::map<std::string, std::size_t> subtasks;
    data::task::ConnectorFactories connectors;
    std::unique_ptr<SingleCoreJob> job;
    std::int64_t state_bytes = 0;
    double input_ended = 0;
    const auto on_end = [&job, &state_bytes, &input_ended] {
      state_bytes = std::max(state_bytes, job->state_bytes());
      input_ended = ThreadCpuSeconds();
    };
    connectors.source = [this, &subtasks, on_end](const plan::ConnectorSpec& spec) {
      const std::string table = plan::OptionString(spec, true, "table");
      return Result<std::unique_ptr<connector::SourceReader>>(
          std::make_unique<MemorySource>(&tables_.at(table), subtasks[table]++, std::max(1u, options_.parallelism), on_end));
    };
    connectors.sink = [&outcome](const plan::ConnectorSpec&) {
      return Result<std::unique_ptr<connector::SinkWriter>>(std::make_unique<MemorySink>(&outcome));
    };
    job = Must(SingleCoreJob::Make(plan_, connectors));
    const double start = ThreadCpuSeconds();
    Must(job->Run());
    const double seconds = ThreadCpuSeconds() - start;
    outcome.Close();
    Answer(seconds, outcome.rows, digest ? &outcome.digest : nullptr, state_bytes, input_ended - start);
  }

  void Hand(bool digest) {
    const bool join = tables_.contains("person");
    const std::vector<HandColumns> left = ColumnsOf(join ? "person" : "bid"), right = ColumnsOf(join ? "auction" : "");
    RowDigest rows;
    HandSink sink;
    if (digest) {
      sink.into = &rows;
      sink.row = [](void* into, const std::uint64_t* words, int count) {
        static_cast<RowDigest*>(into)->AddRow(words, static_cast<std::size_t>(count));
      };
      sink.text = &RowDigest::OfText;
    }
    const double start = ThreadCpuSeconds();
    const std::int64_t count =
        RunHandLoop(options_.query.c_str(), left.data(), join ? right.data() : nullptr, static_cast<std::int64_t>(left.size()), sink);
    const double seconds = ThreadCpuSeconds() - start;
    if (count < 0) Die("no hand loop for " + options_.query);
    Answer(seconds, count, digest ? &rows : nullptr, 0, seconds);
  }

  void Dump(const std::string& folder) {
    for (const auto& [name, batches] : tables_) {
      auto file = Must(arrow::io::FileOutputStream::Open(folder + "/" + name + ".arrow"));
      const auto schema = batches.at(0).records()->schema();
      auto writer = Must(arrow::ipc::MakeFileWriter(file, schema));
      for (const auto& batch : batches) Must(writer->WriteRecordBatch(*batch.records()));
      Must(writer->Close());
      Must(file->Close());
    }
    std::puts("{}");
    std::fflush(stdout);
  }

 private:
  void MakeTable(const plan::ConnectorSpec& spec) {
    const std::string name = plan::OptionString(spec, true, "table");
    using connector::nexmark::Table;
    const Table table = name == "bid" ? Table::kBid : name == "auction" ? Table::kAuction : Table::kPerson;
    connector::nexmark::Model model;
    model.events_per_second = options_.rate;
    auto maker = Must(connector::nexmark::RowMaker::Make(model, table, spec.schema->field_names()));
    Batches& batches = tables_[name];
    batches.clear();
    for (std::int64_t n = 0; n < options_.events; n += options_.batch_events)
      batches.push_back(Must(maker.Rows(n, std::min(options_.events, n + options_.batch_events))));
    if (options_.keys > 0) DrawAuctions(&batches);
  }

  /// Puts evenly drawn keys in the place of auctions; the buffers are nobody else's yet.
  void DrawAuctions(Batches* batches) {
    std::uint64_t draw = 0;
    for (const columnar::DataBatch& batch : *batches) {
      const int index = batch.records()->schema()->GetFieldIndex("auction");
      auto* out = const_cast<std::int64_t*>(batch.records()->column_data(index)->GetValues<std::int64_t>(1));
      __extension__ using Wide = unsigned __int128;
      for (std::int64_t i = 0; i < batch.num_rows(); ++i)
        out[i] = static_cast<std::int64_t>(
            static_cast<Wide>(RowDigest::Mix(++draw * 0x9E3779B97F4A7C15ULL)) * static_cast<std::uint64_t>(options_.keys) >> 64);
    }
  }

  std::vector<HandColumns> ColumnsOf(const std::string& table) {
    std::vector<HandColumns> columns;
    if (table.empty()) return columns;
    for (const columnar::DataBatch& batch : tables_.at(table)) {
      const arrow::RecordBatch& records = *batch.records();
      const auto numbers = [&records](const char* name) -> const std::int64_t* {
        const int index = records.schema()->GetFieldIndex(name);
        return index < 0 ? nullptr : records.column_data(index)->GetValues<std::int64_t>(1);
      };
      HandColumns of;
      of.rows = records.num_rows();
      of.time = records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
      of.auction = numbers("auction");
      of.bidder = numbers("bidder");
      of.price = numbers("price");
      of.id = numbers("id");
      of.seller = numbers("seller");
      if (const int index = records.schema()->GetFieldIndex("name"); index >= 0) {
        const arrow::ArrayData& data = *records.column_data(index);
        of.name_offsets = data.GetValues<std::int32_t>(1);
        of.name_bytes = reinterpret_cast<const char*>(data.buffers[2]->data());
      }
      columns.push_back(of);
    }
    return columns;
  }

  static void Answer(double seconds, std::int64_t rows, const RowDigest* digest, std::int64_t state_bytes, double input_seconds) {
    std::printf("{\"seconds\": %.6f, \"rows\": %ld, \"digest\": \"%s\", \"state_bytes\": %ld, \"input_seconds\": %.6f}\n", seconds,
                static_cast<long>(rows), digest == nullptr ? "" : digest->ToString().c_str(), static_cast<long>(state_bytes),
                input_seconds);
    std::fflush(stdout);
  }

  const Options options_;
  std::shared_ptr<const plan::ExecutionPlan> plan_;
  std::map<std::string, Batches> tables_;
};

}  // namespace

int main(int argc, char** argv) {
  Bench bench(Parse(argc, argv));
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with("engine"))
      bench.Engine(line == "engine digest");
    else if (line.starts_with("hand"))
      bench.Hand(line == "hand digest");
    else if (line.starts_with("dump "))
      bench.Dump(line.substr(5));
    else
      Die("no command " + line);
  }
  return 0;
}
